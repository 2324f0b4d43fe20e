package umnico

import (
	"context"

	"github.com/statuslink/statuslink/crm"
)

const opAskToken = "ask for the token"

// askToken returns the access with the token that ask returns.
func (c *Client) askToken(ctx context.Context, stale *access, ask func(context.Context) (string, error)) (*access, error) {
	pasted, err := ask(ctx)
	if err != nil {
		e := &crm.Error{Kind: crm.ErrUnavailable, Message: "the function that returns the token failed", Err: err}
		if ended := ctx.Err(); ended != nil {
			e.Message, e.Err = "", ended
		}
		return nil, c.failure(opAskToken, e)
	}
	token, err := cleanToken(pasted, c.session.word)
	if err != nil {
		return nil, c.failure(opAskToken, &crm.Error{Kind: crm.ErrUnauthorized, Err: err})
	}
	if token == string(stale.token) {
		return stale, nil
	}
	a, err := c.open(token, c.session.word, "")
	if err != nil {
		return nil, c.failure(opAskToken, &crm.Error{Kind: crm.ErrUnauthorized, Err: err})
	}
	return a, nil
}
