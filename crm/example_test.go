package crm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/statuslink/statuslink/crm"
)

// sheet is a whole client: a list that somebody keeps by hand.
type sheet []string

func (s sheet) Source() string { return "sheet" }

func (s sheet) ListStatuses(ctx context.Context) (crm.Listing, error) {
	if err := ctx.Err(); err != nil {
		return crm.Listing{}, &crm.Error{Kind: crm.ErrUnavailable, Source: s.Source(), Op: "list statuses", Err: err}
	}
	listing := crm.Listing{Source: s.Source(), Scopes: []crm.Scope{{Name: "By hand", Announced: len(s)}}}
	for i, name := range s {
		listing.Statuses = append(listing.Statuses, crm.Status{
			Ref: crm.Ref{Source: s.Source(), ID: fmt.Sprint(i + 1)}, Name: crm.CleanName(name), Order: i,
		})
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// A client gives the whole list or an error, and each error has a kind.
func Example() {
	var client crm.Client = sheet{"Новый", " В работе ", "Оплачено"}
	listing, err := client.ListStatuses(context.Background())
	fmt.Println(len(listing.Statuses), listing.Statuses[1].Ref, listing.Statuses[1].Name, err)

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = client.ListStatuses(ended)
	fmt.Println(err)
	fmt.Println(errors.Is(err, crm.ErrUnavailable), errors.Is(err, context.Canceled))

	// Output:
	// 3 sheet/2 В работе <nil>
	// sheet: list statuses: unavailable: context canceled
	// true true
}
