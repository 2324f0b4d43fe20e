package umnico

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opListWebhooks    = "list webhooks"
	opRegisterWebhook = "register webhook"
	opEnableWebhook   = "enable webhook"
	opRemoveWebhook   = "remove webhook"

	// All calls for webhooks are known from programs in use; no page about them
	// could be read.
	pathWebhooks = "/v1.3/webhooks"
	// mostWebhooks is how many an account may have.
	mostWebhooks = 10
	// shortestSecretPath is the length from which the path of a webhook's address
	// is taken for a secret.
	shortestSecretPath = 8
)

// Webhook is an address to which Umnico sends the account's events. Printed or
// logged by itself it shows its ID and host only, because whoever knows the address
// can send false events to it.
type Webhook struct {
	// ID is Umnico's own. Never empty in what Umnico said.
	ID string
	// Address is where the events go to.
	Address string
	// Name is what it was registered as; may be empty.
	Name string
	// On is false where Umnico has switched it off, which it does after deliveries
	// that failed, and true where it does not say.
	On bool
}

// String names the webhook.
func (w Webhook) String() string {
	host := ""
	if u, err := url.Parse(w.Address); err == nil {
		host = u.Host
	}
	return fmt.Sprintf("umnico.Webhook(%s at %s)", w.ID, host)
}

// Format prints what String returns, whatever the verb.
func (w Webhook) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// LogValue is what String returns.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

// Webhooks returns the account's webhooks in Umnico's sequence: one's own and those
// of others.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	return c.listWebhooks(ctx, opListWebhooks)
}

func (c *Client) listWebhooks(ctx context.Context, op string) ([]Webhook, error) {
	response, _, err := c.do(ctx, crmhttp.Request{Op: op, Path: pathWebhooks})
	if err != nil {
		return nil, err
	}
	return c.webhooks(op, response)
}

// webhooks returns the webhooks in an answer.
func (c *Client) webhooks(op string, response crmhttp.Response) ([]Webhook, error) {
	var rows []wireWebhook
	if err := c.decodeList(op, response, &rows); err != nil {
		return nil, err
	}
	hooks := make([]Webhook, len(rows))
	for i := range rows {
		if rows[i].ID == "" {
			return nil, c.failure(op, &crm.Error{Kind: crm.ErrBadResponse, Message: fmt.Sprintf("a webhook without id (row %d)", i+1)})
		}
		hooks[i] = rows[i].webhook()
	}
	return hooks, nil
}

// webhook returns the row as a webhook.
func (w *wireWebhook) webhook() Webhook {
	return Webhook{
		ID: string(w.ID), Address: string(w.URL), Name: string(w.Name),
		On: w.Status != "0" && w.Status != "false",
	}
}

// Register makes Umnico send the account's events to the address, and returns the
// webhook. name is for people, and may be empty. If the address is registered
// already, the webhook that there is is returned, which may be off; see
// [Client.Keep]. The error is of kind [crm.ErrRejected] if the account has ten
// webhooks, which is the most that it may have.
//
// Umnico does not sign what it sends, so the address should hold a random part that
// nobody else knows. No error shows it. A webhook gets all events of all
// integrations; no way is known to choose.
func (c *Client) Register(ctx context.Context, address, name string) (Webhook, error) {
	hook, _, err := c.register(ctx, address, name)
	return hook, err
}

// register is Register that tells whether the webhook is a new one.
func (c *Client) register(ctx context.Context, address, name string) (hook Webhook, created bool, err error) {
	secrets, unfit := addressSecrets(address)
	if unfit != nil {
		return Webhook{}, false, c.failure(opRegisterWebhook, unfit)
	}
	body := map[string]string{"url": address}
	if name != "" {
		body["name"] = name
	}
	// Repeating it is harmless, because no address is registered twice.
	response, _, refused := c.do(ctx, crmhttp.Request{
		Op: opRegisterWebhook, Method: http.MethodPost, Path: pathWebhooks, Body: body, Idempotent: true, Secrets: secrets,
	})
	var said wireWebhook
	switch {
	case refused != nil && !answered(refused):
		return Webhook{}, false, refused
	case refused == nil && c.decode(opRegisterWebhook, response, &said) == nil && said.ID != "":
		hook = said.webhook()
		hook.Address = address
		return hook, true, nil
	}
	// What Umnico says to an address that is there already is known by its text only,
	// and what it says otherwise hardly more. The list tells.
	hooks, err := c.listWebhooks(ctx, opRegisterWebhook)
	if err != nil {
		return Webhook{}, false, err
	}
	hook, found := find(hooks, address)
	switch {
	case found:
		return hook, refused == nil, nil
	case refused != nil && len(hooks) >= mostWebhooks:
		return Webhook{}, false, c.failure(opRegisterWebhook, &crm.Error{Kind: crm.ErrRejected, Message: fmt.Sprintf(
			"the account has %d webhooks, and may have no more than %d; remove one first", len(hooks), mostWebhooks), Err: refused})
	case refused != nil:
		return Webhook{}, false, refused
	}
	return Webhook{}, false, c.failure(opRegisterWebhook, &crm.Error{
		Kind: crm.ErrNotApplied, Status: response.Status, Message: hinted("Umnico said yes and does not list the webhook", errorText(response.Body)),
	})
}

// answered reports whether the error is what Umnico says about the request itself.
func answered(err error) bool {
	var e *crm.Error
	return errors.As(err, &e) && e.Status != 0 && !errors.Is(err, crm.ErrUnauthorized) && !errors.Is(err, crm.ErrRateLimited)
}

// Enable switches a webhook on again. The error is of kind [crm.ErrNotFound] if there
// is none with the ID, and [crm.ErrNotApplied] if Umnico said yes and it is still off.
func (c *Client) Enable(ctx context.Context, id string) error {
	if id == "" {
		return c.failure(opEnableWebhook, &crm.Error{Kind: crm.ErrNotFound, Message: "the webhook's ID is empty; nothing was sent"})
	}
	_, _, err := c.do(ctx, crmhttp.Request{
		Op: opEnableWebhook, Method: http.MethodPut, Path: pathWebhooks + "/" + url.PathEscape(id),
		Body: map[string]int{"status": 1}, Idempotent: true,
	})
	if err != nil {
		return err
	}
	hooks, err := c.listWebhooks(ctx, opEnableWebhook) // what Umnico answers is not known
	if err != nil {
		return err
	}
	for _, hook := range hooks {
		if hook.ID == id && hook.On {
			return nil
		} else if hook.ID == id {
			return c.failure(opEnableWebhook, &crm.Error{Kind: crm.ErrNotApplied, Message: "Umnico said yes and left the webhook off"})
		}
	}
	return c.failure(opEnableWebhook, &crm.Error{Kind: crm.ErrNotFound, Message: "the account has no such webhook"})
}

// Remove makes Umnico send nothing to the address any more, and reports whether it
// did so before. Webhooks with other addresses are left alone.
func (c *Client) Remove(ctx context.Context, address string) (bool, error) {
	secrets, unfit := addressSecrets(address)
	if unfit != nil {
		return false, c.failure(opRemoveWebhook, unfit)
	}
	hooks, err := c.listWebhooks(ctx, opRemoveWebhook)
	if err != nil {
		return false, err
	}
	hook, found := find(hooks, address)
	if !found {
		return false, nil
	}
	_, _, err = c.do(ctx, crmhttp.Request{
		Op: opRemoveWebhook, Method: http.MethodDelete, Path: pathWebhooks + "/" + url.PathEscape(hook.ID),
		Idempotent: true, Secrets: secrets,
	})
	if err != nil && !errors.Is(err, crm.ErrNotFound) {
		return false, err
	}
	return true, nil
}

// Kept tells what [Client.Keep] did. If neither is set, there was nothing to do.
type Kept struct {
	// Webhook is the webhook, which is on.
	Webhook Webhook
	// Registered is set where there was none, and Enabled where it was off.
	Registered, Enabled bool
}

// Keep sees to it that Umnico sends the account's events to the address: it registers
// the webhook if there is none, and switches it on if it is off. Call it at the start
// and now and then, because Umnico switches webhooks off after deliveries that failed,
// and tells nobody. It takes one request where there is nothing to do. A webhook that
// is there keeps its name.
func (c *Client) Keep(ctx context.Context, address, name string) (Kept, error) {
	if _, unfit := addressSecrets(address); unfit != nil {
		return Kept{}, c.failure(opRegisterWebhook, unfit)
	}
	hooks, err := c.Webhooks(ctx)
	if err != nil {
		return Kept{}, err
	}
	var kept Kept
	hook, found := find(hooks, address)
	if !found {
		if hook, kept.Registered, err = c.register(ctx, address, name); err != nil {
			return Kept{}, err
		}
	}
	if !hook.On {
		if err := c.Enable(ctx, hook.ID); err != nil {
			return Kept{}, err
		}
		hook.On, kept.Enabled = true, true
	}
	kept.Webhook = hook
	return kept, nil
}

// find returns the webhook with the address.
func find(hooks []Webhook, address string) (Webhook, bool) {
	for _, hook := range hooks {
		if sameAddress(hook.Address, address) {
			return hook, true
		}
	}
	return Webhook{}, false
}

// sameAddress reports whether two addresses are one: scheme and host are the same in
// capital letters, and nothing else is.
func sameAddress(a, b string) bool {
	if a == b {
		return true
	}
	u, errU := url.Parse(a)
	v, errV := url.Parse(b)
	if errU != nil || errV != nil {
		return false
	}
	for _, x := range []*url.URL{u, v} {
		x.Host = strings.ToLower(x.Host) // the scheme is in small letters already
		if x.Path == "/" {
			x.Path = ""
		}
	}
	return u.String() == v.String()
}

// addressSecrets returns what must not be seen of a webhook's address, or why it is
// none. Whether Umnico takes plain http is not known, so that is for it to say.
func addressSecrets(address string) ([]crmhttp.Secret, *crm.Error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &crm.Error{Kind: crm.ErrRejected, Message: "the webhook's address is not one such as https://bot.example.com/umnico/RANDOM; nothing was sent"}
	}
	secrets := []crmhttp.Secret{crmhttp.Secret(address)}
	for _, part := range append(strings.Split(u.EscapedPath(), "/"), u.EscapedPath(), u.RawQuery) {
		if len(part) >= shortestSecretPath {
			secrets = append(secrets, crmhttp.Secret(part))
		}
	}
	return secrets, nil
}
