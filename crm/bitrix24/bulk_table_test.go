package bitrix24_test

import (
	"flag"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

var writeTable = flag.Bool("write-table", false, "write PERFORMANCE.md")

// work is a bulk change whose cost is known beforehand.
type work struct {
	name    string
	moves   int
	prepare func(*bitrix24test.Portal)
	options func(*bitrix24.Options)
	missing int // every n-th lead does not exist; 0 if all do

	floor    time.Duration // the limits' own time; 0 if there is none
	within   float64       // how many times the floor it may take
	requests int           // exactly; 0 if any number is right
	refusals int           // answers 503 at most
}

// limited is a portal in the cloud: 40 ms a request, and the limit of the rate.
func limited(p *bitrix24test.Portal) {
	p.SetLatency(40*time.Millisecond, 0)
	p.SetRateLimit(2, 50)
}

var works = []work{
	{
		name: "10,000 moves", moves: 10000, prepare: limited,
		floor: 75 * time.Second, within: 1.03, requests: 200, refusals: 5,
	},
	{
		name: "10,000 moves, Enterprise", moves: 10000,
		prepare: func(p *bitrix24test.Portal) {
			p.SetLatency(40*time.Millisecond, 0)
			p.SetRateLimit(5, 250)
		},
		options:  func(o *bitrix24.Options) { o.Limiter = bitrix24.NewEnterpriseLimiter() },
		requests: 200, refusals: 5,
	},
	{
		name: "1,000 moves, bucket full at the start", moves: 1000,
		prepare: func(p *bitrix24test.Portal) {
			limited(p)
			p.FillBucket()
		},
		floor: 10 * time.Second, within: 1.10, refusals: 5,
	},
	{
		name: "1,000 moves, 40 ms + 20 ms a command", moves: 1000,
		prepare: func(p *bitrix24test.Portal) { p.SetLatency(40*time.Millisecond, 20*time.Millisecond) },
		floor:   20 * (40 + 50*20) * time.Millisecond, within: 1.0 / 8,
	},
	{
		name: "1,000 moves, 48 s of 60 s, 0.1 s a command", moves: 1000,
		prepare: func(p *bitrix24test.Portal) {
			p.SetLatency(0, 100*time.Millisecond)
			p.SetOperatingLimit(48*time.Second, time.Minute, bitrix24test.ChargeInner)
		},
		floor: 120 * time.Second, within: 1.03,
	},
	{
		name: "500 moves, 250 ms a command", moves: 500,
		prepare: func(p *bitrix24test.Portal) { p.SetLatency(40*time.Millisecond, 250*time.Millisecond) },
	},
	{
		name: "1,000 moves, every 25th lead missing", moves: 1000, missing: 25,
		prepare: limited, requests: 20, refusals: 5,
	},
}

// cost is what a work took.
type cost struct {
	took                         time.Duration
	requests, refusals, parallel int
	done, refused, lost          int
}

// run does the work by a clock that passes no time.
func (w work) run(t *testing.T) cost {
	portal := bitrix24test.New()
	items := portal.AddItems(w.moves, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	gone := map[string]bool{}
	for i := range items {
		if w.missing > 0 && (i+1)%w.missing == 0 {
			gone[strconv.Itoa(items[i].ID)] = true
			if err := portal.DeleteItem(1, items[i].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.prepare(portal)
	options := bitrix24.Options{HTTPClient: portal.HTTPClient(), Limiter: bitrix24.NewStandardLimiter()}
	if w.options != nil {
		w.options(&options)
	}
	client, err := bitrix24.New(portal.Webhook(), &options)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var c cost
	for result := range client.MoveLeads(t.Context(), wishes(items), nil) {
		id := result.Move.Lead.ID
		switch result.State {
		case crm.MoveDone:
			c.done++
			if number, _ := strconv.Atoi(id); stageOf(portal, 1, number) != "IN_PROCESS" {
				t.Errorf("lead %s is said to be done and stands elsewhere", id)
			}
		case crm.MoveRefused:
			c.refused++
			if !gone[id] {
				t.Errorf("lead %s was refused: %v", id, result.Err)
			}
		default:
			c.lost++
			t.Errorf("lead %s: %v, %v", id, result.State, result.Err)
		}
	}
	c.took = time.Since(start)
	c.requests, c.refusals, c.parallel = portal.TotalRequests(), portal.RateLimited(), portal.MaxConcurrent()
	if c.refused != len(gone) || c.done+c.refused != w.moves {
		t.Errorf("%d done and %d refused of %d moves, of which %d leads are missing", c.done, c.refused, w.moves, len(gone))
	}
	return c
}

// wishes moves all items into one status.
func wishes(items []bitrix24test.Item) iter.Seq[crm.Move] {
	return func(yield func(crm.Move) bool) {
		for _, item := range items {
			if !yield(crm.Move{
				Lead: crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindLead, ID: strconv.Itoa(item.ID)},
				To:   crm.Ref{Source: bitrix24.DefaultSource, Scope: bitrix24.Leads, ID: "IN_PROCESS"},
			}) {
				return
			}
		}
	}
}

func stageOf(portal *bitrix24test.Portal, typeID, id int) string {
	item, _ := portal.Item(typeID, id)
	return item.Stage
}

// TestBulkTable holds the promises about the cost of bulk changes, and writes them
// down: make table.
func TestBulkTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(tableHead)
	for _, w := range works { //nolint:paralleltest // the table is in their sequence
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := w.run(t)
				floor := "-"
				if w.floor > 0 {
					floor = seconds(w.floor)
					if limit := time.Duration(float64(w.floor) * w.within); c.took > limit {
						t.Errorf("took %v, want at most %v", c.took, limit)
					}
				}
				if w.requests > 0 && c.requests != w.requests {
					t.Errorf("%d requests, want %d", c.requests, w.requests)
				}
				if c.refusals > w.refusals {
					t.Errorf("%d answers 503, want at most %d", c.refusals, w.refusals)
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %d | %d |\n",
					w.name, floor, seconds(c.took), c.requests, c.refusals, c.parallel, c.done, c.refused, c.lost)
			})
		})
	}
	if *writeTable && !t.Failed() {
		if err := os.WriteFile("PERFORMANCE.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

const tableHead = `# What a bulk change costs

Made by ` + "`make table`" + `, against the fake portal of package bitrix24test with the limits
and the latency named, by a virtual clock. "Floor" is what the portal's limits
alone take; for the slow portal it is one batch after another.

| work | floor | took | requests | answers 503 | at once | done | refused | lost |
|---|---|---|---|---|---|---|---|---|
`
