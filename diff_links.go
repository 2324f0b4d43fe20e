package statuslink

import "fmt"

// relink is the first half of step 3: a link whose status the CRM re-created
// under a new ID takes the new one. Where names leave a choice, nothing of it
// is linked or created.
func (m *merger) relink(src *source, sc *scope) {
	if sc.held || len(sc.open) == 0 {
		return
	}
	var lost []linkAt
	links := make(pool)
	for _, at := range sc.links {
		if base := m.at(at.status).Links[at.link].Base; m.row(src, at) == nil && base.Name != "" {
			links.add(m.fold(base.Name), base.Outcome, len(lost))
			lost = append(lost, at)
		}
	}
	if len(lost) == 0 {
		return
	}
	rows := make(pool)
	names := make([]string, len(sc.open))
	for k, r := range sc.open {
		if names[k] = m.fold(src.rows[r].Name); names[k] != "" {
			rows.add(names[k], src.rows[r].Outcome, r)
		}
	}
	var open []int
	for k, r := range sc.open {
		row := &src.rows[r]
		partners := 0
		if names[k] != "" {
			partners = links.count(names[k], row.Outcome)
		}
		if partners == 1 {
			at := lost[links.only(names[k], row.Outcome)]
			if rows.count(names[k], m.at(at.status).Links[at.link].Base.Outcome) == 1 {
				m.relinkTo(src, sc, at, r)
				continue
			}
		}
		open = append(open, r)
		if partners == 0 {
			continue
		}
		if sc.blocked == nil {
			sc.blocked = make(map[int]bool)
		}
		sc.blocked[r] = true
		var owners []int
		for _, l := range links.first(names[k], row.Outcome, maxCandidates) {
			owners = append(owners, lost[l].status)
		}
		f := Finding{Kind: FindingAmbiguous, Ref: row.Ref, CRM: row.Name}
		f.Candidates, f.More = m.candidates(owners, partners)
		f.Message = fmt.Sprintf("%q may be the re-created status of several links, or one of several re-created ones; link it by hand", row.Name)
		sc.find(f)
	}
	sc.open = open
}

func (m *merger) relinkTo(src *source, sc *scope, at linkAt, r int) {
	row := &src.rows[r]
	link := &m.edit(at.status).Links[at.link]
	was := link.Ref
	link.Ref = row.Ref
	if link.Missing() {
		link.listedAgain()
	}
	if sc.oldID == nil {
		sc.oldID = make(map[linkAt]string)
	}
	sc.oldID[at] = was.ID
	src.at[r] = place{at, true}
	m.rowOf[m.links.number(at)] = r + 1
	sc.act(at, Operation{
		Kind: OpRelink, Ref: row.Ref, Was: was, Status: m.ref(at.status),
		Reason: "the CRM re-created it under a new ID",
	})
}

// listedAgain ends the absence of a link. Its place in the CRM's sequence is
// forgotten, since the places of the others were noted later than its own.
func (l *Link) listedAgain() {
	l.MissingSince = Link{}.MissingSince
	l.Base.Order, l.Base.Ordered = 0, false
}

// act adds an operation on a link, which then needs no note.
func (sc *scope) act(at linkAt, op Operation) {
	if sc.settled == nil {
		sc.settled = make(map[linkAt]bool)
	}
	sc.settled[at] = true
	sc.ops = append(sc.ops, op)
}

// revive is the second half of step 3.
func (m *merger) revive(src *source, sc *scope) {
	for _, at := range sc.links {
		if m.row(src, at) == nil || !m.at(at.status).Links[at.link].Missing() {
			continue
		}
		link := &m.edit(at.status).Links[at.link]
		link.listedAgain()
		sc.act(at, Operation{Kind: OpRevive, Ref: link.Ref, Status: m.ref(at.status), Reason: "the CRM lists it again"})
	}
}

// markMissing is step 5.
func (m *merger) markMissing(src *source, sc *scope) {
	if sc.held {
		return
	}
	for _, at := range sc.links {
		if m.row(src, at) != nil || m.at(at.status).Links[at.link].Missing() {
			continue
		}
		link := &m.edit(at.status).Links[at.link]
		link.MissingSince = pendingTime()
		sc.act(at, Operation{Kind: OpMissing, Ref: link.Ref, Status: m.ref(at.status), Reason: "the CRM no longer lists it"})
	}
}
