package bitrix24test

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EventNotFound says that there is no such event to bind.
func EventNotFound() APIError {
	return APIError{http.StatusBadRequest, "ERROR_EVENT_NOT_FOUND", "Event not found"}
}

// missing says that a parameter is missing. Its form is assumed.
func missing(name string) *APIError {
	return &APIError{Code: "ERROR_ARGUMENT", Text: "Argument '" + strings.ToUpper(name) + "' is null or empty"}
}

// eventsList is events: what can be bound.
func (p *Portal) eventsList(*phpMap) (reply, *APIError) {
	names := []any{}
	for _, name := range p.eventList() {
		names = append(names, name)
	}
	return reply{result: names}, nil
}

// inSmallLetters returns parameters with their names in small letters: methods of
// events take them in any case, which is assumed.
func inSmallLetters(params *phpMap) *phpMap {
	small := new(phpMap)
	for _, key := range params.keys {
		small.set(strings.ToLower(key), params.get(key))
	}
	return small
}

// binding reads what event.bind and event.unbind are about.
func (p *Portal) binding(params *phpMap) (handler, *APIError) {
	params = inSmallLetters(params)
	name := strings.ToUpper(text(params.get("event")))
	if !slices.Contains(p.eventList(), name) {
		failed := EventNotFound()
		return handler{}, &failed
	}
	h := handler{
		events: []string{name}, url: text(params.get("handler")), user: number(params.get("auth_type")),
		offline: strings.EqualFold(text(params.get("event_type")), "offline"),
	}
	if h.offline {
		h.url, h.user = "", 0
	} else if h.url == "" {
		return handler{}, missing("handler")
	}
	return h, nil
}

// same reports whether both are about one event and one address, which is empty
// for the offline queue.
func (h handler) same(other handler) bool {
	return !h.webhook && !other.webhook && h.events[0] == other.events[0] && h.url == other.url
}

// eventBind is event.bind. That handlers with different auth_type may stand side
// by side is assumed; auth_connector is ignored.
//
// https://apidocs.bitrix24.com/api-reference/events/event-bind.html
func (p *Portal) eventBind(params *phpMap) (reply, *APIError) {
	h, failed := p.binding(params)
	if failed != nil {
		return reply{}, failed
	}
	bound := func(other handler) bool { return other.same(h) && other.user == h.user }
	if slices.ContainsFunc(p.app.events.handlers, bound) {
		return reply{}, &APIError{Code: "ERROR_CORE", Text: "Unable to set event handler: Handler already binded"}
	}
	h.pause = time.Second
	params = inSmallLetters(params)
	if options, isMap := params.get("options").(*phpMap); isMap {
		h.pause = time.Duration(cmp.Or(number(options.get("minTimeout")), 1)) * time.Second
	}
	p.app.events.add(h)
	return reply{result: true}, nil
}

// eventUnbind is event.unbind. Without auth_type it takes the handlers of all.
func (p *Portal) eventUnbind(params *phpMap) (reply, *APIError) {
	params = inSmallLetters(params)
	h, failed := p.binding(params)
	if failed != nil {
		return reply{}, failed
	}
	e := &p.app.events
	before := len(e.handlers)
	e.handlers = slices.DeleteFunc(e.handlers, func(other handler) bool {
		return other.same(h) && (params.get("auth_type") == nil || other.user == h.user)
	})
	return reply{result: array("count", before-len(e.handlers))}, nil
}

// eventGet is event.get. How it writes offline ones is assumed.
func (p *Portal) eventGet(*phpMap) (reply, *APIError) {
	rows := []any{}
	for _, h := range p.app.events.handlers {
		switch {
		case h.webhook:
		case h.offline:
			rows = append(rows, array("event", h.events[0], "connector_id", "", "offline", 1))
		default:
			rows = append(rows, array("event", h.events[0], "handler", h.url, "auth_type", strconv.Itoa(h.user), "offline", 0))
		}
	}
	return reply{result: rows}, nil
}

// eventTest is event.test: the call's parameters come back as ONAPPTEST.
func (p *Portal) eventTest(params *phpMap) (reply, *APIError) {
	query := new(phpMap)
	query.merge(params)
	query.remove("auth")
	p.queueEvent(message{name: eventTest, data: flatten("data[QUERY]", query), by: DefaultUserID})
	return reply{result: 1}, nil
}
