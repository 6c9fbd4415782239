package lease

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
)

// got is a lease with these options.
func got(t *testing.T, options ...dhcpv4.Option) *Lease {
	t.Helper()
	ack, err := dhcpv4.New(dhcpv4.WithYourIP(net.IPv4(192, 0, 2, 7)))
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range options {
		ack.UpdateOption(each)
	}
	return &Lease{Card: "eth0", ack: ack, link: &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 3}}}
}

func TestAddressAndRoutes(t *testing.T) {
	router := dhcpv4.OptRouter(net.IPv4(192, 0, 2, 1), net.IPv4(192, 0, 2, 2))
	all := &dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, Router: net.IPv4(192, 0, 2, 9)}
	near := &dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(198, 51, 100, 0).To4(), Mask: net.CIDRMask(24, 32)}, Router: net.IPv4zero}
	lease := got(t, dhcpv4.OptSubnetMask(net.CIDRMask(25, 32)), router)
	if address := lease.address().String(); !strings.HasPrefix(address, "192.0.2.7/25") {
		t.Errorf("got %s", address)
	}
	if routes := lease.routes(); len(routes) != 1 || routes[0].LinkIndex != 3 || routes[0].Dst != nil || routes[0].Gw.String() != "192.0.2.1" {
		t.Errorf("got %v", routes)
	}
	routes := got(t, router, dhcpv4.OptClasslessStaticRoute(all, near)).routes()
	if len(routes) != 2 || routes[0].Gw.String() != "192.0.2.9" || routes[1].Gw != nil || routes[1].Scope != netlink.SCOPE_LINK {
		t.Errorf("of the option for routes, which is the one that counts: got %v", routes)
	}
	if bare := got(t); !strings.HasPrefix(bare.address().String(), "192.0.2.7/24") || bare.routes() != nil {
		t.Errorf("got %v, %v", bare.address(), bare.routes())
	}
}

func TestNoServerOfNamesIsTold(t *testing.T) {
	_, err := got(t).Resolver().LookupHost(context.Background(), "seed.example.test")
	if err == nil || !strings.Contains(err.Error(), "no server of names") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAnAnswerEachCardIsTold(t *testing.T) {
	if _, err := Ask(context.Background(), nil).Leases(); err == nil || !strings.Contains(err.Error(), "no network card got an address") {
		t.Errorf("got %v", err)
	}
	if _, err := Ask(context.Background(), []string{"no-such-card"}).Leases(); err == nil || !strings.Contains(err.Error(), "no-such-card: ") {
		t.Errorf("got %v", err)
	}
}

func TestALeaseThatComesLaterIsThereTheNextTime(t *testing.T) {
	asked := &Asked{first: make(chan struct{}), all: make(chan struct{})}
	asked.keep(nil, errors.New("eth0: no answer"))
	asked.keep(&Lease{Card: "eth1"}, nil)
	if found, err := asked.Leases(); err != nil || len(found) != 1 {
		t.Errorf("got %v, %v", found, err)
	}
	asked.keep(&Lease{Card: "eth2"}, nil)
	close(asked.all)
	if found, err := asked.Leases(); err != nil || len(found) != 2 {
		t.Errorf("got %v, %v", found, err)
	}
}
