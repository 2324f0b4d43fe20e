package umnicotest

import (
	"cmp"
	"net/http"
	"strconv"
)

// Customer is who writes.
type Customer struct {
	ID          int
	Login, Name string
	// Phone, Email and Address are null where they are empty. Leads do not write
	// them, though they were seen there too.
	Phone, Email, Address string
	// SocialID and ProfileURL are written in events of messages; empty ones are
	// null.
	SocialID, ProfileURL string
}

// SetCustomer adds a customer, or replaces the one with its ID, and returns it.
// The next ID, and a login, are given where they are missing. It is the event
// customer.created, or customer.changed if anything changes.
func (u *Umnico) SetCustomer(customer Customer) Customer {
	u.mu.Lock()
	defer u.mu.Unlock()
	before, known := u.customers[customer.ID]
	after := u.customers[u.addCustomer(customer)]
	switch {
	case !known:
		u.queueCustomer(eventCustomerCreated, after)
	case before != after:
		u.queueCustomer(eventCustomerChanged, after)
	}
	return after
}

// addCustomer adds or replaces a customer and returns its ID; one that is nothing
// but a known ID stays as it was. It runs under mu.
func (u *Umnico) addCustomer(customer Customer) int {
	if _, known := u.customers[customer.ID]; known && customer == (Customer{ID: customer.ID}) {
		return customer.ID
	}
	customer.ID = cmp.Or(customer.ID, u.lastCustomer+1)
	u.lastCustomer = max(u.lastCustomer, customer.ID)
	if customer.Login == "" {
		customer.Login = "customer_" + strconv.Itoa(customer.ID)
	}
	u.customers[customer.ID] = customer
	return customer.ID
}

// customer answers with one customer, as one client saw it. It runs under mu.
func (u *Umnico) customer(id int) (status int, body []byte) {
	customer, found := u.customers[id]
	if !found {
		return notFound()
	}
	return http.StatusOK, encode(struct {
		Name     string `json:"name"`
		Phone    any    `json:"phone"`
		Email    any    `json:"email"`
		Avatar   any    `json:"avatar"`
		Address  any    `json:"address"`
		Profiles []any  `json:"profiles"`
	}{
		Name: customer.Name, Phone: orNull(customer.Phone), Email: orNull(customer.Email),
		Address: orNull(customer.Address), Profiles: []any{},
	})
}
