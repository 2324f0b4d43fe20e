package bitrix24test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// offlineQueue holds the events that wait to be fetched.
type offlineQueue struct {
	records []offlineRecord // by id
	lastID  int
	lastPID int
}

// offlineRecord is the last event of its name about one object.
type offlineRecord struct {
	id        int
	at        time.Time
	event     string
	data      [][2]string
	by        int
	message   string
	process   string // who has reserved it
	erroneous bool
}

// put puts an event in. One that waits already for the same object, and that
// nobody has reserved, goes.
func (q *offlineQueue) put(m message) {
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, m.name, m.data)
	q.lastID++
	record := offlineRecord{
		id: q.lastID, at: time.Now(), event: m.name, data: m.data, by: m.by,
		message: fmt.Sprintf("%016x", hash.Sum64()),
	}
	q.records = slices.DeleteFunc(q.records, func(r offlineRecord) bool { return r.process == "" && r.message == record.message })
	q.records = append(q.records, record)
}

// take returns up to limit records of a process, after it reserved for it those
// that nobody has, if it has none yet; reserved is its name then.
func (q *offlineQueue) take(process string, limit int, event string, erroneous bool) (taken []offlineRecord, reserved string) {
	wanted := process
	if process == "" {
		q.lastPID++
		process = fmt.Sprintf("pid-%08x", q.lastPID)
	}
	for i := range q.records {
		r := &q.records[i]
		if len(taken) == limit {
			break
		}
		if r.process == wanted && r.erroneous == erroneous && (event == "" || r.event == event) {
			r.process = process
			taken = append(taken, *r)
		}
	}
	return taken, process
}

// remove takes out the records of a process, or only those of these messages.
func (q *offlineQueue) remove(process string, messages *phpMap) {
	q.records = slices.DeleteFunc(q.records, func(r offlineRecord) bool { return r.of(process, messages) })
}

// of reports whether the record is the process's, and of one of the messages, if
// there are any.
func (r offlineRecord) of(process string, messages *phpMap) bool {
	if r.process != process {
		return false
	}
	return messages == nil || slices.ContainsFunc(slices.Collect(messages.all()), func(m any) bool { return text(m) == r.message })
}

// row is the record as it is written.
func (r offlineRecord) row() *phpMap {
	fields := new(phpMap)
	for _, pair := range r.data {
		register(fields, pair[0], pair[1])
	}
	additional := any(false)
	if r.by != 0 {
		additional = array("user_id", strconv.Itoa(r.by))
	}
	return array("ID", strconv.Itoa(r.id), "TIMESTAMP_X", r.at.In(moscow).Format(layout), "EVENT_NAME", r.event,
		"EVENT_DATA", fields.get("data"), "EVENT_ADDITIONAL", additional, "MESSAGE_ID", r.message)
}

// announceOffline queues ONOFFLINEEVENT for the handlers that were not told for
// the time that they asked for. It runs under mu.
func (p *Portal) announceOffline() {
	now := time.Now()
	for i := range p.app.events.handlers {
		h := &p.app.events.handlers[i]
		if h.webhook || h.offline || !slices.Contains(h.events, eventOffline) || now.Sub(h.last) < h.pause {
			continue
		}
		h.last = now
		p.queueFor(h, message{name: eventOffline, by: DefaultUserID, refresh: p.app.liveRefresh(now)})
	}
}

// offlineGet is event.offline.get. Of the filter it knows EVENT_NAME only, and it
// has no order but that of time.
//
// https://apidocs.bitrix24.com/api-reference/events/offline-events.html
func (p *Portal) offlineGet(params *phpMap) (reply, *APIError) {
	params = inSmallLetters(params)
	limit, keep := 50, false
	if value := params.get("limit"); value != nil {
		limit = number(value)
	}
	if value := params.get("clear"); value != nil {
		keep = number(value) == 0
	}
	event := ""
	if filter, isMap := params.get("filter").(*phpMap); isMap {
		event = strings.ToUpper(text(filter.get("EVENT_NAME")) + text(filter.get("=EVENT_NAME")))
	}
	q := &p.app.events.offline
	taken, process := q.take(text(params.get("process_id")), limit, event, truth(params.get("error")))
	rows := []any{}
	for _, r := range taken {
		rows = append(rows, r.row())
	}
	result := array("process_id", nil, "events", rows)
	if keep {
		result.set("process_id", process)
	} else {
		q.records = slices.DeleteFunc(q.records, func(r offlineRecord) bool {
			return slices.ContainsFunc(taken, func(t offlineRecord) bool { return t.id == r.id })
		})
	}
	return reply{result: result}, nil
}

// offlineClear is event.offline.clear.
func (p *Portal) offlineClear(params *phpMap) (reply, *APIError) {
	process, messages, failed := reservation(params)
	if failed != nil {
		return reply{}, failed
	}
	p.app.events.offline.remove(process, messages)
	return reply{result: true}, nil
}

// offlineError is event.offline.error: the records wait for who asks for
// erroneous ones.
func (p *Portal) offlineError(params *phpMap) (reply, *APIError) {
	process, messages, failed := reservation(params)
	if failed != nil {
		return reply{}, failed
	}
	records := p.app.events.offline.records
	for i := range records {
		if records[i].of(process, messages) {
			records[i].process, records[i].erroneous = "", true
		}
	}
	return reply{result: true}, nil
}

// reservation returns which reserved records a call means: all of a process
// where messages is nil.
func reservation(params *phpMap) (process string, messages *phpMap, failed *APIError) {
	params = inSmallLetters(params)
	process = text(params.get("process_id"))
	if process == "" {
		return "", nil, missing("process_id")
	}
	messages, _ = params.get("message_id").(*phpMap)
	return process, messages, nil
}
