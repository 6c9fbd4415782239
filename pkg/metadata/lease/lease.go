// Package lease gives a machine that has no addresses yet one by DHCP for the moment, on whichever card there is a server.
package lease

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

const (
	oneTry = 4 * time.Second // doubled each time by the client
	tries  = 4
)

// Lease is an address that a card has for the moment.
type Lease struct {
	Card string
	ack  *dhcpv4.DHCPv4
	link netlink.Link
}

// Take asks on all cards at once and takes the first answer.
func Take(ctx context.Context, cards []string) (*Lease, error) {
	if len(cards) == 0 {
		return nil, errors.New("this machine has no network card")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		lease *Lease
		err   error
	}
	answers := make(chan answer, len(cards))
	for _, card := range cards {
		go func() {
			lease, err := ask(ctx, card)
			answers <- answer{lease, err}
		}()
	}
	var wrong []error
	for range cards {
		got := <-answers
		if got.err == nil {
			return got.lease, got.lease.use()
		}
		wrong = append(wrong, got.err)
	}
	return nil, errors.Join(wrong...)
}

// ask switches a card on and asks for an address.
func ask(ctx context.Context, card string) (*Lease, error) {
	link, err := netlink.LinkByName(card)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", card, err)
	}
	client, err := nclient4.New(card, nclient4.WithTimeout(oneTry), nclient4.WithRetry(tries))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", card, err)
	}
	defer client.Close()
	found, err := client.Request(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: no answer by DHCP: %w", card, err)
	}
	return &Lease{Card: card, ack: found.ACK, link: link}, nil
}

// use gives the card its address and routes.
func (l *Lease) use() error {
	if err := netlink.AddrReplace(l.link, l.address()); err != nil {
		return fmt.Errorf("%s: address %v: %w", l.Card, l.ack.YourIPAddr, err)
	}
	for _, route := range l.routes() {
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("%s: route %v: %w", l.Card, route, err)
		}
	}
	return nil
}

func (l *Lease) address() *netlink.Addr {
	mask := l.ack.SubnetMask()
	if mask == nil {
		mask = l.ack.YourIPAddr.DefaultMask()
	}
	return &netlink.Addr{IPNet: &net.IPNet{IP: l.ack.YourIPAddr, Mask: mask}}
}

// routes are those of the option for such, else the one by the first router (RFC 3442).
func (l *Lease) routes() (found []netlink.Route) {
	index := l.link.Attrs().Index
	for _, each := range l.ack.ClasslessStaticRoute() {
		route := netlink.Route{LinkIndex: index, Dst: each.Dest, Gw: each.Router}
		if each.Router.IsUnspecified() {
			route.Gw, route.Scope = nil, netlink.SCOPE_LINK
		}
		found = append(found, route)
	}
	if routers := l.ack.Router(); found == nil && len(routers) > 0 {
		found = append(found, netlink.Route{LinkIndex: index, Gw: routers[0]})
	}
	return found
}

// Resolver resolves names by the servers that came with the lease.
func (l *Lease) Resolver() *net.Resolver {
	dialer := &net.Dialer{}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		wrong := []error{errors.New("no server of names came with the address")}
		for _, server := range l.ack.DNS() {
			made, err := dialer.DialContext(ctx, network, net.JoinHostPort(server.String(), "53"))
			if err == nil {
				return made, nil
			}
			wrong = append(wrong, err)
		}
		return nil, errors.Join(wrong...)
	}}
}

// Drop takes the address and the routes from the card, which the node's own client asks for anew.
func (l *Lease) Drop() error {
	return netlink.AddrDel(l.link, l.address())
}
