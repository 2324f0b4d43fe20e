package bitrix24test

import (
	"strings"
	"time"
)

// maxCommands is how many commands a batch may hold.
const maxCommands = 50

// batch runs the commands one after the other. Its answer is good even if they
// all failed. What comes without commands is assumed. References to earlier
// results, such as "$result[key]", are not replaced here.
func (p *Portal) batch(params *phpMap) (reply, *APIError) {
	results, failures, totals, nexts, spent := new(phpMap), new(phpMap), new(phpMap), new(phpMap), new(phpMap)
	halt := truth(params.get("halt"))
	commands, ok := params.get("cmd").(*phpMap)
	if !ok {
		commands = new(phpMap)
	}
	for i, key := range commands.keys {
		start := time.Now()
		said, failed, ran := p.command(i, commands.get(key))
		switch {
		case !ran:
			continue
		case failed != nil:
			failures.set(key, failed.body())
		default:
			results.set(key, said.result)
			if said.counted {
				totals.set(key, said.total)
			}
			if said.next > 0 {
				nexts.set(key, said.next)
			}
			spent.set(key, times(start, true))
		}
		if failed != nil && halt {
			break
		}
	}
	return reply{result: array(
		"result", results, "result_error", failures,
		"result_total", totals, "result_next", nexts, "result_time", spent)}, nil
}

// command runs one command of a batch. A command that is no text is not run, and
// nothing is said about it, but it counts for the length. It runs under mu.
func (p *Portal) command(i int, command any) (said reply, failed *APIError, ran bool) {
	if i >= maxCommands {
		return reply{}, &APIError{Code: "ERROR_BATCH_LENGTH_EXCEEDED", Text: "Max batch length exceeded"}, true
	}
	line, isText := command.(string)
	if !isText {
		return reply{}, nil, false
	}
	name, query := splitCommand(line)
	if strings.EqualFold(name, methodBatch) {
		return reply{}, &APIError{Code: "ERROR_BATCH_METHOD_NOT_ALLOWED", Text: "Method is not allowed for batch usage"}, true
	}
	said, failed = p.call(name, parseQuery(query))
	return said, failed, true
}

// splitCommand takes a command apart as PHP's parse_url does: what follows a
// bare "#" is cut off, and control characters become "_". Where parse_url finds
// a host, the name that comes here is no method's either.
func splitCommand(line string) (name, query string) {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, line)
	line, _, _ = strings.Cut(line, "#")
	name, query, _ = strings.Cut(line, "?")
	return name, query
}
