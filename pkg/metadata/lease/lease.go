// Package lease gives a machine that has no addresses yet one by DHCP for the moment, on each card where there is a server.
package lease

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

const (
	oneTry = 4 * time.Second // doubled each time by the client
	tries  = 4
	// others is how long the first answer waits for those of other cards: the quickest network may lead nowhere.
	others = 2 * time.Second
)

// Lease is an address that a card may have for the moment.
type Lease struct {
	Card string
	ack  *dhcpv4.DHCPv4
	link netlink.Link
}

// Asked are cards on which an address was asked for, and what came of it.
type Asked struct {
	mu     sync.Mutex
	leases []*Lease
	wrong  []error
	first  chan struct{} // closed with the first lease
	all    chan struct{} // closed when no more is to come
}

// Ask asks on all cards at once, until the context is over.
func Ask(ctx context.Context, cards []string) *Asked {
	asked := &Asked{first: make(chan struct{}), all: make(chan struct{})}
	var waiting sync.WaitGroup
	for _, card := range cards {
		waiting.Go(func() {
			asked.keep(ask(ctx, card))
		})
	}
	go func() { waiting.Wait(); close(asked.all) }()
	return asked
}

func (a *Asked) keep(lease *Lease, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.wrong = append(a.wrong, err)
		return
	}
	if a.leases = append(a.leases, lease); len(a.leases) == 1 {
		close(a.first)
	}
}

// Leases gives those that there are, once there is one, and what went wrong where there is none. Later more may have come.
func (a *Asked) Leases() ([]*Lease, error) {
	select {
	case <-a.first:
		select {
		case <-a.all:
		case <-time.After(others):
		}
	case <-a.all:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leases == nil {
		return nil, errors.Join(append([]error{errors.New("no network card got an address")}, a.wrong...)...)
	}
	return append([]*Lease(nil), a.leases...), nil
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

// Open gives the card its address and routes, and a client that goes by them.
func (l *Lease) Open() (*http.Client, error) {
	if err := netlink.AddrReplace(l.link, l.address()); err != nil {
		return nil, fmt.Errorf("%s: address %v: %w", l.Card, l.ack.YourIPAddr, err)
	}
	for _, route := range l.routes() {
		if err := netlink.RouteReplace(&route); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: route %v: %w", l.Card, route, err), l.Close())
		}
	}
	dialer := &net.Dialer{Resolver: l.Resolver()}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}, nil
}

// Close takes the address and the routes from the card, which the node's own client asks for anew.
func (l *Lease) Close() error { return netlink.AddrDel(l.link, l.address()) }

func (l *Lease) String() string { return l.Card }

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
