package bitrix24

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestTimingIsRead(t *testing.T) {
	t.Parallel()
	start := time.Unix(1787212800, 113527000)
	for text, want := range map[string]Timing{
		`{"start":1787212800.113527,"finish":1787212800.154727,"duration":0.0412,"processing":0.0061,
		  "date_start":"2026-08-20T11:00:00+03:00","operating_reset_at":1787213400,"operating":0.5}`: {
			Start: start, Finish: time.Unix(1787212800, 154727000), Duration: 41200 * time.Microsecond, Processing: 6100 * time.Microsecond,
			Operating: 500 * time.Millisecond, OperatingResetAt: time.Unix(1787213400, 0),
		},
		`{"start":"1787212800.113527","duration":"3","operating":479,"operating_reset_at":"1787213400"}`: {
			Start: start, Duration: 3 * time.Second, Operating: 479 * time.Second, OperatingResetAt: time.Unix(1787213400, 0),
		},
		`{}`:         {},
		`[]`:         {},
		`null`:       {},
		`"вчера"`:    {},
		`17`:         {},
		`{"time":1}`: {},
		`{"start":null,"finish":true,"duration":[],"processing":{},"operating":"","operating_reset_at":"скоро"}`:       {},
		`{"start":-1,"finish":0,"duration":-1,"processing":-0.5,"operating":-1,"operating_reset_at":-1787213400}`:      {},
		`{"start":1e13,"finish":1e400,"duration":1e12,"processing":1e11,"operating":"NaN","operating_reset_at":"Inf"}`: {},
		`{"start":{"start":1787212800},"finish":[1787212800]}`:                                                         {},
		`{"operating":1,"operating":2,"Operating":3}`:                                                                  {Operating: 2 * time.Second},
		`{"duration":0.000001,"processing":4611686018}`:                                                                {Duration: time.Microsecond, Processing: 4611686018 * time.Second},
		`{"start":"\u0031787212800","finish":" 1787212800"}`:                                                           {Start: time.Unix(1787212800, 0)},
		`{"start":1787212800.9999999}`:                                                                                 {Start: time.Unix(1787212801, 0)},
	} {
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is not JSON", text)
		}
		var got Timing
		got.read(crmhttp.NewCursor([]byte(text)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// What comes behind the times is read too.
func TestTimingLeavesTheCursorBehindIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"start":[1,{"finish":2}],"x":{}}`, `[1,2]`, `null`, `{}`, `"a"`} {
		cursor := crmhttp.NewCursor(fmt.Appendf(nil, `{"time":%s,"next":50}`, text))
		next := ""
		for name := range cursor.Members() {
			switch string(name) {
			case "time":
				new(Timing).read(cursor)
			case "next":
				next = string(cursor.Value())
			}
		}
		if next != "50" {
			t.Errorf("behind %s stands %q", text, next)
		}
	}
}
