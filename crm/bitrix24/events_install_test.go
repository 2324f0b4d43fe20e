package bitrix24_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestParseInstall(t *testing.T) {
	t.Parallel()
	full := bitrix24.Install{
		Token: bitrix24.Token{
			AccessToken: "AT-example-0001", RefreshToken: "RT-example-0001", Expires: time.Unix(1787216400, 0).UTC(),
			MemberID: eventMember, ClientEndpoint: "https://b24.example.com/rest/", ServerEndpoint: "https://oauth.bitrix.info/rest/",
			Scope: "crm", Status: "L", UserID: "17",
		},
		ApplicationToken: "apptoken-example-app-1",
	}
	least := bitrix24.Install{
		Token:            bitrix24.Token{AccessToken: "a", RefreshToken: "r", MemberID: "m", ClientEndpoint: "https://c/rest/", ServerEndpoint: "s"},
		ApplicationToken: "t",
	}
	with := func(change func(*bitrix24.Token)) bitrix24.Install {
		install := least
		change(&install.Token)
		return install
	}
	for name, test := range map[string]struct {
		body string
		want bitrix24.Install
	}{
		"the fixture": {eventFixture(t, "event_app_install.form"), full},
		"the least":   {eventLeastInstall, least},
		"scopes with commas and blanks": {
			eventLeastInstall + "&auth[scope]=crm,+user_brief+im%2C",
			with(func(token *bitrix24.Token) { token.Scope = "crm,user_brief,im" }),
		},
		"an end that is counted from ts": {
			eventLeastInstall + "&ts=1787212800&auth[expires_in]=3600",
			with(func(token *bitrix24.Token) { token.Expires = time.Unix(1787216400, 0).UTC() }),
		},
		"an end that is said": {
			eventLeastInstall + "&ts=1787212800&auth[expires_in]=3600&auth[expires]=1787216401",
			with(func(token *bitrix24.Token) { token.Expires = time.Unix(1787216401, 0).UTC() }),
		},
		"an end that cannot be counted": {eventLeastInstall + "&auth[expires_in]=3600", least},
		"an end that cannot be meant":   {eventLeastInstall + "&ts=1787212800&auth[expires_in]=9223372036854775807", least},
		"tokens with codes": {
			eventLeastInstall + "&auth[access_token]=%D1%82+%26",
			with(func(token *bitrix24.Token) { token.AccessToken = "т &" }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := bitrix24.ParseInstall(crm.Body(test.body))
			if err != nil || got != test.want {
				t.Errorf("error %v, installation %s, want %s", err, eventJSON(t, got), eventJSON(t, test.want))
			}
		})
	}
}

const eventLeastInstall = "event=OnAppInstall&auth[member_id]=m&auth[access_token]=a&auth[refresh_token]=r" +
	"&auth[application_token]=t&auth[client_endpoint]=https://c/rest/&auth[server_endpoint]=s"

// eventJSON shows what printing must not.
func eventJSON(t *testing.T, install bitrix24.Install) string {
	t.Helper()
	data, err := json.Marshal(install)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestParseInstallOfWhatIsNone(t *testing.T) {
	t.Parallel()
	const secret = "token-that-must-not-be-seen"
	for name, body := range map[string]string{
		"nothing":                "",
		"another event":          strings.Replace(eventLeastInstall, "OnAppInstall", "ONAPPUNINSTALL", 1),
		"no member":              eventLeastInstall + "&auth[member_id]=",
		"a member of nobody":     eventLeastInstall + "&auth[member_id]=../" + secret,
		"no access token":        eventLeastInstall + "&auth[access_token]=",
		"no refresh token":       eventLeastInstall + "&auth[refresh_token]=",
		"no application token":   eventLeastInstall + "&auth[application_token]=",
		"no portal":              eventLeastInstall + "&auth[client_endpoint]=",
		"no portal's address":    eventLeastInstall + "&auth[client_endpoint]=https://c/rest/" + secret,
		"a portal with a secret": eventLeastInstall + "&auth[client_endpoint]=https://u:" + secret + "@c/rest/",
		"no server":              eventLeastInstall + "&auth[server_endpoint]=",
		"too many fields":        eventLeastInstall + strings.Repeat("&"+secret, 1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			install, err := bitrix24.ParseInstall(crm.Body(body + "&x=" + secret))
			if err == nil || !strings.HasPrefix(err.Error(), "bitrix24: ONAPPINSTALL: ") || strings.Contains(err.Error(), secret) || install != (bitrix24.Install{}) {
				t.Errorf("%v, error %v", install, err)
			}
		})
	}
}

func TestInstallIsPrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	install, err := bitrix24.ParseInstall(crm.Body(eventFixture(t, "event_app_install.form")))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("installed", "install", install, "pointer", &install)
	slog.New(slog.NewTextHandler(&log, nil)).Info("installed", "install", install)
	texts := []string{log.String(), install.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, install), fmt.Sprintf(verb, &install), fmt.Sprintf(verb, []any{install}))
	}
	for _, text := range texts {
		for _, secret := range []string{"AT-example", "RT-example", "apptoken", "41542d6578616d706c65"} {
			if strings.Contains(text, secret) {
				t.Errorf("a token is shown: %s", text)
			}
		}
		if !strings.Contains(text, "bitrix24.Install(b24.example.com)") {
			t.Errorf("printed: %s", text)
		}
	}
	var kept bitrix24.Install
	if err := json.Unmarshal([]byte(eventJSON(t, install)), &kept); err != nil || kept != install {
		t.Errorf("kept as JSON and read again it is %s, error %v", eventJSON(t, kept), err)
	}
}

func TestInstallations(t *testing.T) {
	t.Parallel()
	fixture := eventFixture(t, "event_app_install.form")
	var got []bitrix24.Install
	install := func(err error) func(context.Context, bitrix24.Install) error {
		return func(_ context.Context, install bitrix24.Install) error {
			got = append(got, install)
			return err
		}
	}
	unknown := strings.Replace(fixture, eventAppToken, "a-token-nobody-knows", 1)
	incomplete := strings.Replace(fixture, "refresh_token", "other_token", 1)
	for name, test := range map[string]struct {
		opts   bitrix24.EventOptions
		body   string
		status int
		stats  crmhook.Stats
		asked  int // how often Install was called
		events int
	}{
		"an unknown token":           {bitrix24.EventOptions{Install: install(nil)}, unknown, 200, crmhook.Stats{Taken: 1}, 1, 0},
		"a known token":              {bitrix24.EventOptions{Install: install(nil)}, fixture, 200, crmhook.Stats{Taken: 1}, 1, 0},
		"refused":                    {bitrix24.EventOptions{Install: install(errors.New("a forged token"))}, fixture, 403, crmhook.Stats{Refused: 1}, 1, 0},
		"incomplete":                 {bitrix24.EventOptions{Install: install(nil)}, incomplete, 400, crmhook.Stats{Malformed: 1}, 0, 0},
		"the only portal":            {bitrix24.EventOptions{Install: install(nil), MemberID: eventMember}, unknown, 200, crmhook.Stats{Taken: 1}, 1, 0},
		"another portal":             {bitrix24.EventOptions{Install: install(nil), MemberID: "another"}, fixture, 403, crmhook.Stats{Refused: 1}, 0, 0},
		"no Install, known token":    {bitrix24.EventOptions{}, fixture, 200, crmhook.Stats{Accepted: 1, Handled: 1}, 0, 1},
		"no Install, unknown token":  {bitrix24.EventOptions{}, unknown, 403, crmhook.Stats{Refused: 1}, 0, 0},
		"removed, not installed":     {bitrix24.EventOptions{Install: install(nil)}, eventFixture(t, "event_app_uninstall.form"), 200, crmhook.Stats{Accepted: 1, Handled: 1}, 0, 1},
		"an unknown token, a change": {bitrix24.EventOptions{Install: install(nil)}, strings.Replace(unknown, "ONAPPINSTALL", "ONAPPTEST", 1), 403, crmhook.Stats{Refused: 1}, 0, 0},
	} {
		got = nil
		events := eventSource(t, test.opts)
		status, handed := eventDeliver(t, events, eventRequest(t, test.body))
		if status != test.status || len(handed) != test.events || events.Stats() != test.stats || len(got) != test.asked {
			t.Errorf("%s: HTTP %d, events %v, %+v, Install called %d times", name, status, handed, events.Stats(), len(got))
		}
		if want, _ := bitrix24.ParseInstall(crm.Body(test.body)); len(got) == 1 && got[0] != want {
			t.Errorf("%s: Install got %v", name, got[0])
		}
	}
	got = nil
	if status := eventPost(t, eventSource(t, bitrix24.EventOptions{Install: install(nil)}), fixture); status != 200 || len(got) != 1 {
		t.Errorf("without a Run: HTTP %d, Install called %d times", status, len(got))
	}
}

// What an installation stored is what the portal's events are checked with.
func TestInstalledPortalIsBelieved(t *testing.T) {
	t.Parallel()
	tokens := make(map[string]string)
	events := eventSource(t, bitrix24.EventOptions{
		Install: func(_ context.Context, install bitrix24.Install) error {
			tokens[install.Token.MemberID] = install.ApplicationToken
			return nil
		},
		Portal: func(_ context.Context, memberID string) (token, source string, err error) {
			return tokens[memberID], "bitrix24/" + memberID, nil
		},
	})
	form, err := url.ParseQuery(eventFixture(t, "event_lead_update.form"))
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := eventDeliver(t, events, eventRequest(t, form.Encode())); status != 403 {
		t.Errorf("before the installation: HTTP %d", status)
	}
	eventPost(t, events, eventFixture(t, "event_app_install.form"))
	status, got := eventDeliver(t, events, eventRequest(t, form.Encode()))
	if want := (crm.LeadRef{Source: "bitrix24/" + eventMember, Kind: "lead", ID: "4521"}); status != 200 || len(got) != 1 || got[0].Lead != want {
		t.Errorf("HTTP %d, events %v", status, got)
	}
}

// A portal, its outgoing webhook and an application that it installs.
func TestEventsOfAPortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal := bitrix24test.New()
		portal.AddWebhookHandler("https://bot.example.com/hook", eventHookToken, bitrix24.EventNames(bitrix24.KindLead)...)
		portal.AddWebhookHandler("https://bot.example.com/hook", eventHookToken, bitrix24.EventNames(bitrix24.KindDeal)...)
		portal.AddWebhookHandler("https://bot.example.com/hook", "another-token", bitrix24.EventNames(bitrix24.KindLead)...)
		tokens := portal.Install(bitrix24test.App{ApplicationToken: eventAppToken, Handler: "https://bot.example.com/app"})
		var installed bitrix24.Install
		events := eventSource(t, bitrix24.EventOptions{Tokens: []string{eventHookToken}, Install: func(_ context.Context, install bitrix24.Install) error {
			installed = install
			return nil
		}})
		var mu sync.Mutex
		got := make(map[crm.LeadRef][]crm.EventKind)
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() {
			_ = events.Run(ctx, func(_ context.Context, event crm.Event) {
				mu.Lock()
				defer mu.Unlock()
				got[event.Lead] = append(got[event.Lead], event.Kind)
			})
		})
		synctest.Wait()

		lead, deal := portal.AddLead("NEW"), portal.AddDeal(5, "C5:NEW")
		for _, err := range []error{
			portal.MoveItem(lead.TypeID, lead.ID, 0, "IN_PROCESS"),
			portal.MoveItem(deal.TypeID, deal.ID, 5, "C5:UC_K3M9XZ"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		delivered, failed := portal.DeliverTo(t.Context(), events)
		synctest.Wait()
		cancel()
		run.Wait()
		if delivered != 5 || failed != 2 { // four changes and the installation; one webhook is a stranger's
			t.Errorf("%d delivered, %d failed", delivered, failed)
		}
		changes := []crm.EventKind{crm.EventLeadCreated, crm.EventLeadChanged}
		want := map[crm.LeadRef][]crm.EventKind{
			{Source: "bitrix24", Kind: bitrix24.KindLead, ID: fmt.Sprint(lead.ID)}: changes,
			{Source: "bitrix24", Kind: bitrix24.KindDeal, ID: fmt.Sprint(deal.ID)}: changes,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if installed.Token.AccessToken != tokens.AccessToken || installed.Token.MemberID != tokens.MemberID || installed.ApplicationToken != eventAppToken {
			t.Errorf("installed %s, want %+v", eventJSON(t, installed), tokens)
		}
	})
}

// Bitrix24 itself says whether an installation is genuine.
func TestConfirm(t *testing.T) {
	t.Parallel()
	portal := bitrix24test.New()
	app := bitrix24.App{ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret}
	tokens := portal.Install(bitrix24test.App{})
	genuine := bitrix24.Install{Token: bitrix24.Token{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, MemberID: tokens.MemberID,
		ClientEndpoint: "https://evil.example/rest/", ServerEndpoint: tokens.ServerEndpoint,
	}, ApplicationToken: tokens.ApplicationToken}
	opts := &bitrix24.Options{HTTPClient: portal.HTTPClient(), Attempts: 1}

	forged := genuine
	forged.Token.RefreshToken = "a-made-up-token"
	if _, err := app.Confirm(t.Context(), forged, opts); !errors.Is(err, crm.ErrUnauthorized) || strings.Contains(err.Error(), "made-up") {
		t.Errorf("a forged token: %v", err)
	}
	forged = genuine
	forged.Token.ServerEndpoint = "https://evil.example/rest/"
	before := portal.TotalRequests()
	if _, err := app.Confirm(t.Context(), forged, opts); err == nil || portal.TotalRequests() != before {
		t.Errorf("a forged server: %v after %d requests", err, portal.TotalRequests()-before)
	}
	forged = genuine
	forged.Token.MemberID = "fedcba9876543210fedcba9876543210"
	if _, err := app.Confirm(t.Context(), forged, opts); !errors.Is(err, crm.ErrBadResponse) {
		t.Errorf("the token of another portal: %v", err)
	}
	genuine.Token.RefreshToken = portal.Install(bitrix24test.App{}).RefreshToken
	token, err := app.Confirm(t.Context(), genuine, opts)
	if err != nil || token.RefreshToken == genuine.Token.RefreshToken || token.MemberID != tokens.MemberID || token.ClientEndpoint != tokens.ClientEndpoint {
		t.Errorf("token of %v, error %v", token, err)
	}
}
