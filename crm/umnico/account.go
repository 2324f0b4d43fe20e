package umnico

import (
	"context"
	"fmt"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opCheck = "check account"
	// The call is known from programs in use; no page about it could be read.
	pathAccount = "/v1.3/account/me"
	// statusActive is the status of an account that works. Others are not known.
	statusActive = "active"
)

// Account is what Umnico says of the account that a client is signed in to.
type Account struct {
	// ID is the account's number, as it stands in Umnico's messages under accountId.
	// Never empty.
	ID string
	// Status is "active" for an account that works; empty if Umnico does not say.
	Status string
}

// Check asks Umnico for the account, and so whether it can be worked with. The
// error is of kind [crm.ErrUnauthorized] if the token or the password is wrong, of
// kind [crm.ErrForbidden] if the account is there but not active, with its status in
// the message, and of kind [crm.ErrUnavailable] if Umnico cannot be reached.
//
// Which statuses an account may have is not documented. Beside an error for one that
// is not active the Account is returned as well, so that the caller can judge.
func (c *Client) Check(ctx context.Context) (Account, error) {
	account, _, err := c.readAccount(ctx, opCheck)
	if err != nil {
		return Account{}, err
	}
	if account.Status != "" && !strings.EqualFold(account.Status, statusActive) {
		return account, c.failure(opCheck, &crm.Error{Kind: crm.ErrForbidden, Message: fmt.Sprintf(
			"the account's status is %q instead of %q", account.Status, statusActive)})
	}
	return account, nil
}

// readAccount returns the account, and the access with which it was read.
func (c *Client) readAccount(ctx context.Context, op string) (Account, *access, error) {
	response, a, err := c.do(ctx, crmhttp.Request{Op: op, Path: pathAccount})
	if err != nil {
		return Account{}, nil, err
	}
	account, err := c.account(op, response)
	if err != nil {
		return Account{}, nil, err
	}
	a.account.Store(&account.ID)
	return account, a, nil
}

// account returns the account in an answer.
func (c *Client) account(op string, response crmhttp.Response) (Account, error) {
	var said wireAccount
	if err := c.decode(op, response, &said); err != nil {
		return Account{}, err
	}
	if said.Account.ID == "" {
		return Account{}, c.bad(op, response, "an answer without account.id")
	}
	return Account{ID: string(said.Account.ID), Status: string(said.Account.Status)}, nil
}
