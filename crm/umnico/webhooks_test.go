package umnico_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

const (
	secretPath = "5f0c1d7be2a94c63"
	address    = "https://bot.example.com/hooks/umnico/" + secretPath
	others     = "https://old.example.org/umnico"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   []umnico.Webhook
		kind   error
		says   string
	}{
		{"golden", 200, golden(t, "webhooks_list.json"), []umnico.Webhook{
			{ID: "30501", Address: "https://bot.example.com/hooks/umnico/5f0c1d", Name: "statuses", On: true},
			{ID: "30417", Address: others, Name: "старый бот"},
		}, nil, ""},
		{"empty", 200, "[]", []umnico.Webhook{}, nil, ""},
		{"texts", 200, `[{"id":"1","url":"u","name":null,"status":"0"},{"id":2,"status":"1"},{"id":3,"status":false},{"id":4,"status":true}]`, []umnico.Webhook{
			{ID: "1", Address: "u"}, {ID: "2", On: true}, {ID: "3"}, {ID: "4", On: true},
		}, nil, ""},
		{"nothing but an ID", 200, `[{"id":1}]`, []umnico.Webhook{{ID: "1", On: true}}, nil, ""},
		{"golden 401", 401, golden(t, "error_401.json"), nil, crm.ErrUnauthorized, "Settings > API"},
		{"no ID", 200, `[{"id":1},{"url":"u"}]`, nil, crm.ErrBadResponse, "row 2"},
		{"golden, one", 200, golden(t, "webhook_created.json"), nil, crm.ErrBadResponse, "an object instead of a list"},
		{"error inside", 200, golden(t, "error_webhook_exists.json"), nil, crm.ErrBadResponse, "This server already exists"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := always(t, test.status, test.body).Webhooks(t.Context())
			if test.kind != nil {
				failedWith(t, err, test.kind, "list webhooks", test.says)
			} else if err != nil {
				t.Error(err)
			}
			if !cmp.Equal(test.want, got) {
				t.Errorf("webhooks %+v, want %+v", plain(got), plain(test.want))
			}
		})
	}
}

// plain returns webhooks as they print with all their fields.
func plain(hooks []umnico.Webhook) []string {
	texts := make([]string, len(hooks))
	for i, h := range hooks {
		texts[i] = fmt.Sprint(h.ID, h.Address, h.Name, h.On)
	}
	return texts
}

// Each way in which Umnico may answer to a new webhook, and to one that is there.
func TestRegister(t *testing.T) {
	t.Parallel()
	ten := func(f *umnicotest.Umnico) {
		for i := range 10 {
			f.AddWebhook(umnicotest.Webhook{URL: fmt.Sprintf("https://other%d.example/", i)})
		}
	}
	tests := []struct {
		name  string
		calls umnicotest.WebhookCalls
		set   func(f *umnicotest.Umnico)
		hooks int // afterwards
		kind  error
		says  string
	}{
		{name: "a new one", hooks: 1},
		{name: "a new one, 201", calls: umnicotest.WebhookCalls{Created: 201}, hooks: 1},
		{name: "beside others", set: func(f *umnicotest.Umnico) { f.AddWebhook(umnicotest.Webhook{URL: others}) }, hooks: 2},
		{name: "it is there", set: func(f *umnicotest.Umnico) { f.AddWebhook(umnicotest.Webhook{URL: address}) }, hooks: 1},
		{name: "it is there, 409", calls: umnicotest.WebhookCalls{Exists: 409}, set: func(f *umnicotest.Umnico) { f.AddWebhook(umnicotest.Webhook{URL: address}) }, hooks: 1},
		{name: "it is there, 403", calls: umnicotest.WebhookCalls{Exists: 403}, set: func(f *umnicotest.Umnico) { f.AddWebhook(umnicotest.Webhook{URL: address}) }, hooks: 1},
		{name: "it is there, 500", calls: umnicotest.WebhookCalls{Exists: 500}, set: func(f *umnicotest.Umnico) { f.AddWebhook(umnicotest.Webhook{URL: address}) }, hooks: 1},
		{name: "an eleventh", set: ten, hooks: 10, kind: crm.ErrRejected, says: "may have no more than 10; remove one first"},
		{name: "an eleventh, 403", calls: umnicotest.WebhookCalls{Full: 403}, set: ten, hooks: 10, kind: crm.ErrRejected, says: "may have no more than 10"},
		{name: "refused otherwise", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.Answer(422, `{"error":"bad url"}`)) }, kind: crm.ErrRejected, says: "bad url"},
		{name: "refused, and the address told", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.Answer(422, "no "+address)) }, kind: crm.ErrRejected, says: "no [redacted]"},
		{name: "401", set: func(f *umnicotest.Umnico) { f.SetToken("another") }, kind: crm.ErrUnauthorized, says: "Settings > API"},
		{name: "no answer", set: func(f *umnicotest.Umnico) { f.Fail(-1, crmfault.Drop()) }, kind: crm.ErrUnavailable},
		{name: "no answer once", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.Drop()) }, hooks: 1},
		{name: "done, but no answer", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.CutConnection()) }, hooks: 1},
		{name: "done, an answer of nothing", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.Rewrite(func([]byte) []byte { return nil })) }, hooks: 1},
		{name: "not done, an answer of nothing", set: func(f *umnicotest.Umnico) { f.Fail(1, crmfault.Answer(200, "{}")) }, kind: crm.ErrNotApplied, says: "does not list"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := account()
				fake.SetWebhookCalls(test.calls)
				if test.set != nil {
					test.set(fake)
				}
				got, err := mustNew(t, on(fake)).Register(t.Context(), address, "статусы")
				if hooks := fake.Webhooks(); len(hooks) != test.hooks {
					t.Errorf("%d webhooks, want %d", len(hooks), test.hooks)
				}
				if test.kind != nil {
					failedWith(t, err, test.kind, "register webhook", test.says, secretPath)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				hooks := fake.Webhooks()
				last := hooks[len(hooks)-1]
				if got.ID != fmt.Sprint(last.ID) || got.Address != address || last.URL != address || !got.On {
					t.Errorf("webhook %v, Umnico has %+v", plain([]umnico.Webhook{got}), last)
				}
			})
		})
	}
}

func TestWhatRegisterSends(t *testing.T) {
	t.Parallel()
	var sent []string
	client := scripted(t, func(r *http.Request) (int, string) {
		sent = append(sent, r.Method+" "+r.URL.Path+" "+body(r))
		return 201, golden(t, "webhook_created.json")
	})
	const registered = "https://bot.example.com/hooks/umnico/5f0c1d"
	for _, name := range []string{"statuses", ""} {
		got, err := client.Register(t.Context(), registered, name)
		want := umnico.Webhook{ID: "30501", Address: registered, Name: "statuses", On: true}
		if err != nil || got != want {
			t.Errorf("webhook %v, error = %v", plain([]umnico.Webhook{got}), err)
		}
	}
	want := []string{
		`POST /v1.3/webhooks {"name":"statuses","url":"` + registered + `"}`,
		`POST /v1.3/webhooks {"url":"` + registered + `"}`,
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	t.Parallel()
	client := scripted(t, func(r *http.Request) (int, string) {
		t.Errorf("Umnico was asked: %s", told(r))
		return 500, ""
	})
	for _, wrong := range []string{"", "bot.example.com/" + secretPath, "/" + secretPath, "ftp://bot.example.com/" + secretPath, "https:///" + secretPath, "https://bot\n.example/" + secretPath} {
		_, err := client.Register(t.Context(), wrong, "")
		failedWith(t, err, crm.ErrRejected, "register webhook", "nothing was sent", secretPath)
		_, err = client.Keep(t.Context(), wrong, "")
		failedWith(t, err, crm.ErrRejected, "register webhook", "nothing was sent", secretPath)
		_, err = client.Remove(t.Context(), wrong)
		failedWith(t, err, crm.ErrRejected, "remove webhook", "nothing was sent", secretPath)
	}
	failedWith(t, client.Enable(t.Context(), ""), crm.ErrNotFound, "enable webhook", "nothing was sent")
}

func TestEnable(t *testing.T) {
	t.Parallel()
	for _, answer := range []umnicotest.Answer{umnicotest.AnswerObject, umnicotest.AnswerEmptyObject, umnicotest.AnswerNothing} {
		fake := account()
		fake.SetWebhookCalls(umnicotest.WebhookCalls{Answer: answer})
		hook := fake.AddWebhook(umnicotest.Webhook{URL: address, Name: "статусы", Off: true})
		fake.AddWebhook(umnicotest.Webhook{URL: others, Off: true})
		if err := mustNew(t, on(fake)).Enable(t.Context(), fmt.Sprint(hook.ID)); err != nil {
			t.Errorf("%v: %v", answer, err)
		}
		if hooks := fake.Webhooks(); hooks[0].Off || hooks[0].Name != "статусы" || !hooks[1].Off {
			t.Errorf("%v: webhooks %+v", answer, hooks)
		}
	}
	err := mustNew(t, on(account())).Enable(t.Context(), "30999")
	failedWith(t, err, crm.ErrNotFound, "enable webhook", "")
	// Umnico may also say yes to anything.
	script := func(list string) *umnico.Client {
		return scripted(t, func(r *http.Request) (int, string) {
			if r.Method == http.MethodPut {
				return 200, r.URL.EscapedPath()
			}
			return 200, list
		})
	}
	failedWith(t, script(`[{"id":1,"status":0}]`).Enable(t.Context(), "1"), crm.ErrNotApplied, "enable webhook", "left the webhook off")
	failedWith(t, script(`[{"id":2,"status":1}]`).Enable(t.Context(), "1"), crm.ErrNotFound, "enable webhook", "no such webhook")
	if err := script(`[{"id":"a/b","status":1}]`).Enable(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for _, answer := range []umnicotest.Answer{umnicotest.AnswerObject, umnicotest.AnswerEmptyObject, umnicotest.AnswerNothing} {
		fake := account()
		fake.SetWebhookCalls(umnicotest.WebhookCalls{Answer: answer})
		client := mustNew(t, on(fake))
		near := []string{others, address + "/", address + "0", "http" + strings.TrimPrefix(address, "https"), strings.ToUpper(address)}
		for _, url := range near {
			fake.AddWebhook(umnicotest.Webhook{URL: url})
		}
		remove := func(url string, want bool) {
			t.Helper()
			if got, err := client.Remove(t.Context(), url); err != nil || got != want {
				t.Errorf("%v: removed %v, want %v, error = %v", answer, got, want, err)
			}
			if hooks := fake.Webhooks(); len(hooks) != len(near) {
				t.Errorf("%v: %d webhooks are left, want %d", answer, len(hooks), len(near))
			}
		}
		remove(address, false)
		fake.AddWebhook(umnicotest.Webhook{URL: address})
		remove(address, true)
		remove(address, false)
		fake.AddWebhook(umnicotest.Webhook{URL: address, Off: true})
		remove("HTTPS://BOT.example.com/hooks/umnico/"+secretPath, true)
	}
}

func TestRemoveOfWhatIsGoneMeanwhile(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]error{404: nil, 403: crm.ErrForbidden, 503: crm.ErrUnavailable} {
		client := scripted(t, func(r *http.Request) (int, string) {
			if r.Method == http.MethodDelete {
				return status, "no " + told(r) + address
			}
			return 200, `[{"id":30501,"url":"` + address + `","status":1}]`
		})
		removed, err := client.Remove(t.Context(), address)
		if kind == nil {
			if err != nil || !removed {
				t.Errorf("HTTP %d: removed %v, error = %v", status, removed, err)
			}
			continue
		}
		failedWith(t, err, kind, "remove webhook", "", secretPath)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		hooks      []umnicotest.Webhook
		calls      umnicotest.WebhookCalls
		registered bool
		enabled    bool
		requests   int
	}{
		{"nothing there", nil, umnicotest.WebhookCalls{}, true, false, 2},
		{"nothing of ours there", []umnicotest.Webhook{{URL: others, Off: true}}, umnicotest.WebhookCalls{Created: 201}, true, false, 2},
		{"all is well", []umnicotest.Webhook{{URL: others}, {URL: address}}, umnicotest.WebhookCalls{}, false, false, 1},
		{"switched off", []umnicotest.Webhook{{URL: address, Off: true}}, umnicotest.WebhookCalls{}, false, true, 2},
		{"switched off, 204", []umnicotest.Webhook{{URL: address, Off: true}}, umnicotest.WebhookCalls{Answer: umnicotest.AnswerNothing}, false, true, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := account()
			fake.SetWebhookCalls(test.calls)
			for _, hook := range test.hooks {
				fake.AddWebhook(hook)
			}
			client := mustNew(t, on(fake))
			got, err := client.Keep(t.Context(), address, "статусы")
			if err != nil {
				t.Fatal(err)
			}
			if got.Registered != test.registered || got.Enabled != test.enabled || got.Webhook.Address != address || !got.Webhook.On || got.Webhook.ID == "" {
				t.Errorf("kept: registered %v, enabled %v, %v", got.Registered, got.Enabled, plain([]umnico.Webhook{got.Webhook}))
			}
			if requests := fake.Requests("/v1.3/webhooks"); requests != test.requests {
				t.Errorf("%d requests to the list, want %d", requests, test.requests)
			}
			again, err := client.Keep(t.Context(), address, "статусы")
			if err != nil || again.Registered || again.Enabled || again.Webhook.ID != got.Webhook.ID {
				t.Errorf("a second time: %+v, error = %v", again, err)
			}
			for _, hook := range fake.Webhooks() {
				if hook.URL == address && hook.Off {
					t.Error("the webhook is off")
				}
			}
		})
	}
}

// Another process may register the address between the list and the call, and the
// webhook may be off at once.
func TestKeepBesideAnother(t *testing.T) {
	t.Parallel()
	fake := account()
	done := false
	opts := on(fake)
	opts.HTTPClient = &http.Client{Transport: behind{fake.Transport(), func(*http.Request) {
		if !done {
			done = true
			fake.AddWebhook(umnicotest.Webhook{URL: address, Off: true})
		}
	}}}
	got, err := mustNew(t, opts).Keep(t.Context(), address, "")
	if err != nil || got.Registered || !got.Enabled || !got.Webhook.On {
		t.Errorf("kept %+v, error = %v", got, err)
	}
}

func TestKeepThatFails(t *testing.T) {
	t.Parallel()
	for good, op := range []string{"list webhooks", "register webhook", "enable webhook", "enable webhook"} {
		synctest.Test(t, func(t *testing.T) {
			fake := account()
			if good >= 2 {
				fake.AddWebhook(umnicotest.Webhook{URL: address, Off: true})
			}
			fake.Fail(max(0, good-good/2), crmfault.Fault{})
			fake.Fail(-1, crmfault.Answer(503, address+" is "+secretPath))
			got, err := mustNew(t, on(fake)).Keep(t.Context(), address, "")
			failedWith(t, err, crm.ErrUnavailable, op, "")
			if got != (umnico.Kept{}) {
				t.Errorf("beside its error Keep returned %+v", got)
			}
		})
	}
}

func TestWebhookShowsNoAddress(t *testing.T) {
	t.Parallel()
	hook := umnico.Webhook{ID: "30501", Address: address, Name: "статусы", On: true}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "hook", hook)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %d", hook, hook, hook, hook, hook), hook.String(), log.String(),
		fmt.Sprintf("%v %+v", []umnico.Webhook{hook}, umnico.Kept{Webhook: hook}),
	} {
		if strings.Contains(text, secretPath) || !strings.Contains(text, "30501 at bot.example.com") {
			t.Errorf("printed: %s", text)
		}
	}
}
