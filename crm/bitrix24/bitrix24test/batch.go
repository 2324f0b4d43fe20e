package bitrix24test

import "strings"

// maxCommands is how many commands a batch may hold.
const maxCommands = 50

// batch runs the commands one after the other. Its answer is good even if they
// all failed. What comes without commands is assumed. It runs without mu, and
// so does what it calls: other requests may come between the commands.
func (p *Portal) batch(v *visit, params *phpMap) (reply, *APIError) {
	if failed := p.beginBatch(); failed != nil {
		return reply{}, failed
	}
	results, failures, totals, nexts, spent := new(phpMap), new(phpMap), new(phpMap), new(phpMap), new(phpMap)
	halt := truth(params.get("halt"))
	commands, ok := params.get("cmd").(*phpMap)
	if !ok {
		commands = new(phpMap)
	}
	sections := map[string]*phpMap{"result": results, "error": failures, "total": totals, "next": nexts, "time": spent}
	for i, key := range commands.keys {
		said, failed, ran := p.command(v, i, commands.values[i], sections)
		switch {
		case v.over:
			return reply{}, nil
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
			spent.set(key, said.time)
		}
		if failed != nil && halt {
			break
		}
	}
	said := reply{result: array(
		"result", results, "result_error", failures,
		"result_total", totals, "result_next", nexts, "result_time", spent)}
	p.mu.Lock()
	defer p.mu.Unlock()
	said.time = p.times(v.start, v.request, methodBatch, p.operating.inBatches)
	return said, nil
}

// beginBatch counts a batch and returns the error that it meets as a whole, or
// nil.
func (p *Portal) beginBatch() *APIError {
	if failed := p.blocked(methodBatch, false); failed != nil {
		return failed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begin(methodBatch)
}

// command runs one command of a batch, which may refer to what was said so far. A
// command that is no text is not run, and nothing is said about it, but it counts
// for the length.
func (p *Portal) command(v *visit, i int, command any, sections map[string]*phpMap) (said reply, failed *APIError, ran bool) {
	if i >= maxCommands {
		return reply{}, &APIError{Code: "ERROR_BATCH_LENGTH_EXCEEDED", Text: "Max batch length exceeded"}, true
	}
	line, isText := command.(string)
	if !isText {
		return reply{}, nil, false
	}
	name, query := splitCommand(line)
	if strings.EqualFold(name, methodBatch) {
		failed := batchInBatch()
		return reply{}, &failed, true
	}
	params := parseQuery(query)
	if strings.Contains(query, "$") || strings.Contains(query, "%24") {
		params = resolve(params, sections).(*phpMap)
	}
	said, failed = p.run(v, name, params, true)
	return said, failed, true
}

// batchInBatch says that a batch holds another.
func batchInBatch() APIError {
	return APIError{Code: "ERROR_BATCH_METHOD_NOT_ALLOWED", Text: "Method is not allowed for batch usage"}
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
