package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSession(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	session, err := os.Open("testdata/session.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	var got strings.Builder
	if err := play(t.Context(), session, false, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the session is not that of testdata/transcript.txt (-want +got)\n%s", diff)
	}
}

// typed returns what the bot prints to a person who types the lines.
func typed(t *testing.T, lines ...string) string {
	t.Helper()
	var out strings.Builder
	if err := play(t.Context(), strings.NewReader(strings.Join(lines, "\n")), true, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A person at the console is asked for lines, which the terminal shows already.
func TestConsole(t *testing.T) {
	t.Parallel()
	want := `[bot] ready; write as a client, such as "anna: привет", or /help
> bot to anna: Hello! What are you looking for?
> > `
	if diff := cmp.Diff(want, typed(t, "anna: hello", "# nothing")); diff != "" {
		t.Errorf("wrong output (-want +got)\n%s", diff)
	}
	if got := typed(t, "/quit", "anna: hello"); strings.Contains(got, "Hello") {
		t.Errorf("/quit does not end it: %s", got)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, want string }{
		{"привет", `error: "привет" is neither a message nor a command`},
		{"anna:", `error: "anna:" is neither`},
		{": hello", `error: ": hello" is neither`},
		{"/fly", `error: "/fly" is neither`},
		{"/fly: now", `error: "/fly: now" is neither`},
		{"/set", `error: there is no client ""`},
		{"/set anna", "not found: no status has this key or ID"},
		{"/in nowhere", "not found: no status has this key or ID"},
		{"/crm move nobody Оплачено", `error: there is no client "nobody"`},
		{"/crm move anna Paid", `error: there is no stage "Paid" in umnico`},
		{"/crm move kate Оплачено", `error: there is no stage "Оплачено" in bitrix24/DEAL_STAGE_5`},
		{`/crm rename "Оплачено"`, "error: expected two names"},
		{`/crm rename "Nothing" "Something"`, `error: there is no stage "Nothing" in any list`},
		{"/crm delete Nothing", `error: there is no stage "Nothing" in any list`},
		{"/crm add elsewhere Возврат", `error: there is no list "elsewhere"`},
	} {
		if got := typed(t, test.line); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s", test.line, got, test.want)
		}
	}
}

// Leads of all three lists are put by one key, and taken over by managers.
func TestEveryList(t *testing.T) {
	t.Parallel()
	got := typed(t,
		"/set anna in-work", "/set игорь in-work", "/set kate in-work",
		"/crm move anna Диалог с оператором", "/crm move игорь Диалог с оператором", `/crm move kate "Operator"`,
		"anna: hello", "игорь: привет", "Kate: hello",
		"/crm add bitrix24/STATUS Ждём", "/crm add bitrix24/DEAL_STAGE_5 Waiting", "/sync",
		"/crm move игорь Ждём", "/crm move kate Waiting", "игорь: ау", "/crm", "/crm remove anna", "/in operator")
	for _, want := range []string{
		`[bot] anna: "Первичное касание" -> "В работе", by the bot`,
		`[bot] игорь: "Первичное касание" -> "В работе", by the bot`,
		`[bot] kate: "Первичное касание" -> "В работе", by the bot`,
		`[bot] anna: "В работе" -> "Диалог с оператором", by umnico`,
		`[bot] игорь: "В работе" -> "Диалог с оператором", by bitrix24`,
		`[bot] kate: "В работе" -> "Диалог с оператором", by bitrix24`,
		`[bot] игорь: "Диалог с оператором" -> "Ждём", by bitrix24`,
		`[bot] kate: "Диалог с оператором" -> "Waiting", by bitrix24`,
		"  kate    bitrix24/deal/402  bitrix24/DEAL_STAGE_5  C5:UC_",
		"  LEAD  STANDS ON  CLIENT\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, silent := range []string{"bot to", "error", "not linked"} {
		if strings.Contains(got, silent) {
			t.Errorf("the bot is not silent: %q", silent)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// A bot that is stopped before it could begin says so.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := play(ctx, strings.NewReader("anna: привет"), true, io.Discard); err == nil {
		t.Error("a bot that was stopped began")
	}
}

// An answer to a webhook comes when the event was handled, or refused.
func TestInTurn(t *testing.T) {
	t.Parallel()
	source, err := crmhook.New(crmhook.Options{
		Source: "acme",
		Receive: func(context.Context, *http.Request, []byte) (crm.Event, error) {
			return crm.Event{Source: "acme"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	turn := newInTurn(source)
	post := func() int {
		w := httptest.NewRecorder()
		turn.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}")))
		return w.Code
	}
	if code := post(); code != http.StatusServiceUnavailable {
		t.Errorf("before Run: status %d", code)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	handled := 0
	ended := make(chan error, 1)
	go func() {
		ended <- turn.Run(ctx, func(context.Context, crm.Event) { handled++ })
	}()
	for want := 1; want <= 100; {
		switch post() {
		case http.StatusOK:
			if handled != want {
				t.Fatalf("%d events were handled when %d were answered", handled, want)
			}
			want++
		case http.StatusServiceUnavailable: // Run has not begun
			if want > 1 {
				t.Fatal("an event was refused")
			}
		}
	}
	stop()
	if err := <-ended; err == nil {
		t.Error("Run ended without an error")
	}
}
