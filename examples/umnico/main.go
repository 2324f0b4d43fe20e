// Umnico synchronises a bot's statuses with a real Umnico account: it prints
// what would change, asks, does it, and prints the statuses with their external
// IDs.
//
//	UMNICO_TOKEN=... go run ./examples/umnico -file state.json
//
// The token is taken in Umnico's web interface under Settings > API. With
// UMNICO_BASE_URL the program talks to another address than api.umnico.com.
package main

import (
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/examples/internal/console"
)

func main() { console.Main(program()) }

func program() console.Program {
	return console.Program{
		Name: "umnico",
		Connect: func(env func(string) string) (crm.Client, error) {
			client, err := umnico.New(env("UMNICO_TOKEN"), &umnico.Options{BaseURL: env("UMNICO_BASE_URL")})
			if err != nil {
				return nil, fmt.Errorf("UMNICO_TOKEN: %w", err)
			}
			return client, nil
		},
		Definitions: []statuslink.Definition{
			{Key: "first-contact", Name: "Первичное касание"},
			{Key: "in-work", Name: "В работе"},
			{Key: "paid", Name: "Оплачено", Aliases: []string{"Оплачено ✅", "Paid"}},
		},
	}
}
