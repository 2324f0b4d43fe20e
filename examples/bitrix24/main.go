// Bitrix24 synchronises a bot's statuses with a real Bitrix24 portal: it prints
// what would change, asks, does it, and prints the statuses with their external
// IDs.
//
//	BITRIX24_WEBHOOK=https://example.bitrix24.com/rest/17/SECRET/ go run ./examples/bitrix24 -file state.json
//
// The webhook is made in the portal under Developer resources > Other > Incoming
// webhook, with the scope "crm". Its address is a password. Without a flag the
// leads' statuses are read, with -all the stages of all pipelines of deals too;
// a portal in simple mode has no leads, and -deals reads the deals alone.
package main

import (
	"flag"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/examples/internal/console"
)

func main() { console.Main(program()) }

func program() console.Program {
	var all, deals bool
	return console.Program{
		Name: "bitrix24",
		Flags: func(flags *flag.FlagSet) {
			flags.BoolVar(&all, "all", false, "read the leads' statuses and the stages of all pipelines of deals")
			flags.BoolVar(&deals, "deals", false, "read the stages of all pipelines of deals, and no leads")
		},
		Connect: func(env func(string) string) (crm.Client, error) {
			scopes := []string{bitrix24.Leads}
			switch {
			case deals:
				scopes = []string{bitrix24.Deals}
			case all:
				scopes = []string{bitrix24.Leads, bitrix24.Deals}
			}
			client, err := bitrix24.New(env("BITRIX24_WEBHOOK"), &bitrix24.Options{Scopes: scopes})
			if err != nil {
				return nil, fmt.Errorf("BITRIX24_WEBHOOK: %w", err)
			}
			return client, nil
		},
		Definitions: []statuslink.Definition{
			{Key: "first-contact", Name: "Новый", Aliases: []string{"New request", "First contact"}},
			{Key: "in-work", Name: "В работе"},
			{Key: "paid", Name: "Оплачено", Aliases: []string{"Сделка успешна", "Deal won"}},
		},
	}
}
