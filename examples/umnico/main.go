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
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/examples/customstore"
	"github.com/statuslink/statuslink/memstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	p := program{env: os.Getenv, in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := p.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is the program with its surroundings, so that a test can give others.
type program struct {
	env      func(string) string
	in       io.Reader
	out, err io.Writer

	yes, json bool
	file      string
}

// main returns the exit code: 0, 1 if something went wrong, 2 for bad usage.
func (p *program) main(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("umnico", flag.ContinueOnError)
	flags.SetOutput(p.err)
	flags.BoolVar(&p.yes, "yes", false, "apply without asking")
	flags.BoolVar(&p.json, "json", false, "print the plan as JSON and change nothing")
	flags.StringVar(&p.file, "file", "", "keep the statuses in this `file`; without it they are gone afterwards")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(p.err, "unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if err := p.run(ctx); err != nil {
		fmt.Fprintln(p.err, "umnico:", err)
		return 1
	}
	return 0
}

func (p *program) run(ctx context.Context) error {
	client, err := umnico.New(p.env("UMNICO_TOKEN"), &umnico.Options{BaseURL: p.env("UMNICO_BASE_URL")})
	if err != nil {
		return fmt.Errorf("UMNICO_TOKEN: %w", err)
	}
	store, err := p.store(ctx)
	if err != nil {
		return err
	}
	catalog, err := statuslink.NewCatalog(store, nil)
	if err != nil {
		return err
	}
	err = catalog.Ensure(ctx,
		statuslink.Definition{Key: "first-contact", Name: "Первичное касание"},
		statuslink.Definition{Key: "in-work", Name: "В работе"},
		statuslink.Definition{Key: "paid", Name: "Оплачено", Aliases: []string{"Оплачено ✅", "Paid"}},
	)
	if err != nil {
		return err
	}
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	if err != nil {
		return err
	}
	plan, err := syncer.Plan(ctx)
	if plan == nil {
		return err
	}
	if p.json {
		encoder := json.NewEncoder(p.out)
		encoder.SetIndent("", "  ")
		return errors.Join(encoder.Encode(plan), err)
	}
	fmt.Fprint(p.out, plan)
	if err != nil {
		return err
	}
	return p.confirm(ctx, catalog, syncer, plan)
}

// confirm asks, applies the plan and prints the statuses.
func (p *program) confirm(ctx context.Context, catalog *statuslink.Catalog, syncer *statuslink.Syncer, plan *statuslink.Plan) error {
	if !plan.Empty() {
		if !p.yes && !p.ask("Apply? [y/N] ") {
			fmt.Fprintln(p.out, "Nothing was changed.")
			return nil
		}
		if _, err := syncer.Apply(ctx, plan); err != nil {
			return err
		}
	}
	statuses, err := catalog.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n%v", statuses)
	return nil
}

// store returns where the statuses are kept; with -json a copy in memory, so
// that nothing is written.
func (p *program) store(ctx context.Context) (statuslink.Store, error) {
	if p.file == "" {
		return new(memstore.Store), nil
	}
	file := customstore.Open(p.file)
	if !p.json {
		return file, nil
	}
	snapshot, err := file.Load(ctx, nil)
	if err != nil {
		return nil, err
	}
	return memstore.New(snapshot.State())
}

// ask reads one line; the end of the input counts as no.
func (p *program) ask(question string) bool {
	fmt.Fprint(p.out, question)
	answer, _ := bufio.NewReader(p.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "д", "да":
		return true
	}
	fmt.Fprintln(p.out)
	return false
}
