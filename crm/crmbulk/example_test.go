package crmbulk_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// A CRM that moves up to three leads with one request, and refuses the lead 4.
func ExampleMove() {
	opts := crmbulk.Options{
		Prepare: func(_ context.Context, move crm.Move) (item any, alone bool, err error) { return move, false, nil },
		Send: func(_ context.Context, _ <-chan struct{}, items []any) crmbulk.Answer {
			var answer crmbulk.Answer
			for _, item := range items {
				move := item.(crm.Move)
				verdict := crmbulk.Verdict{Lead: crm.Lead{Ref: move.Lead, Status: move.To}}
				if move.Lead.ID == "4" {
					verdict = crmbulk.Verdict{Fate: crmbulk.Refused, Err: &crm.Error{Kind: crm.ErrRejected, Source: "acme", Op: "move leads"}}
				}
				answer.Verdicts = append(answer.Verdicts, verdict)
			}
			return answer
		},
		Failure: func(e *crm.Error) error { e.Source, e.Op = "acme", "move leads"; return e },
		Batch:   3, First: 2, Most: 8, Timeout: 30 * time.Second, Attempts: 3,
	}
	var moves []crm.Move
	for i := range 7 {
		moves = append(moves, crm.Move{
			Lead: crm.LeadRef{Source: "acme", ID: fmt.Sprint(i)}, To: crm.Ref{Source: "acme", ID: "paid"},
		})
	}
	var last crm.MoveReport
	for result := range crmbulk.Move(context.Background(), opts, slices.Values(moves), func(report crm.MoveReport) { last = report }) {
		if result.Err != nil {
			fmt.Println(result.Move.Lead, result.Err)
		}
	}
	fmt.Println(last.Done, "done,", last.Refused, "refused")
	// Output:
	// acme/4 acme: move leads: rejected
	// 6 done, 1 refused
}
