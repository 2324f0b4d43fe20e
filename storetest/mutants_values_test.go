package storetest

import (
	"math"
	"reflect"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/statuslink/statuslink"
)

// everyText is a store that mangles each text.
func everyText(mangle func(string) string) func() statuslink.Store {
	return keeping(func(_, now *statuslink.State) {
		v := reflect.ValueOf(now).Elem()
		leaves("", v, v, func(_ string, _, leaf reflect.Value) {
			switch texts := leaf.Interface().(type) {
			case string:
				leaf.SetString(mangle(texts))
			case []string:
				for i := range texts {
					texts[i] = mangle(texts[i])
				}
			}
		})
	})
}

// everyTime is a store that mangles each time.
func everyTime(mangle func(time.Time) time.Time) func() statuslink.Store {
	return keeping(func(_, now *statuslink.State) {
		v := reflect.ValueOf(now).Elem()
		leaves("", v, v, func(_ string, _, leaf reflect.Value) {
			if at, ok := leaf.Interface().(time.Time); ok {
				leaf.Set(reflect.ValueOf(mangle(at)))
			}
		})
	})
}

// everyName is a store that mangles what people call a status.
func everyName(mangle func(string) string) func() statuslink.Store {
	return keeping(func(_, now *statuslink.State) {
		for i := range now.Statuses {
			now.Statuses[i].Name = mangle(now.Statuses[i].Name)
		}
	})
}

func replace(old, with string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, with) }
}

func everyOrder(mangle func(int) int) func() statuslink.Store {
	return keeping(func(_, now *statuslink.State) {
		for i := range now.Statuses {
			s := &now.Statuses[i]
			s.Order = mangle(s.Order)
			for j := range s.Links {
				s.Links[j].Base.Order = mangle(s.Links[j].Base.Order)
			}
		}
	})
}

func valueMutants() []mutant {
	const text, late = "a text is not kept byte for byte", "a time is not kept"
	return []mutant{
		{"sorts by ID alone", everyOrder(func(int) int { return 0 }), "SortsByOrderThenID", "not sorted by Order"},
		{"keeps the places of updated statuses", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				now.Statuses[i].Order = i
			}
		}), "SortsByOrderThenID", "by their new Order"},
		{"keeps Orders in 32 bits", everyOrder(func(n int) int { return int(int32(n)) }), "KeepsEveryOrder", "an Order is not kept"},
		{"keeps Orders as floating point", everyOrder(func(n int) int {
			if n > math.MaxInt/4 || n < -math.MaxInt/4 {
				return n
			}
			return int(float64(n))
		}), "KeepsEveryOrder", "an Order is not kept"},
		{"keeps no negative Order", everyOrder(func(n int) int { return max(0, n) }), "KeepsEveryOrder", "an Order is not kept"},
		{"composes names", everyName(norm.NFC.String), "KeepsUnicode", text},
		{"decomposes names", everyName(norm.NFD.String), "KeepsUnicode", text},
		{"folds compatible letters", everyName(replace("ﬁ", "fi")), "KeepsUnicode", text},
		{"drops joiners of emoji", everyText(replace("\u200d", "")), "KeepsUnicode", text},
		{"drops variation selectors in names", everyName(replace("\ufe0f", "")), "KeepsUnicode", text},
		{"drops direction marks", everyText(replace("\u202b", "")), "KeepsUnicode", text},
		{"keeps three bytes of a letter", everyName(func(s string) string {
			return strings.Map(func(r rune) rune {
				if r > 0xffff {
					return '?'
				}
				return r
			}, s)
		}), "KeepsUnicode", text},
		{"keeps Latin letters only", everyName(func(s string) string {
			return strings.Map(func(r rune) rune {
				if r > 0xff {
					return '?'
				}
				return r
			}, s)
		}), "KeepsUnicode", text},
		{"escapes HTML", everyName(replace("&", "&amp;")), "KeepsUnicode", text},
		{"takes quotes off", everyText(replace(`"`, "")), "KeepsUnicode", text},
		{"changes letters of a Base", keeping(links(func(links []statuslink.Link) {
			for i := range links {
				links[i].Base.Name = strings.ToLower(links[i].Base.Name)
			}
		})), "KeepsUnicode", text},
		{"cuts names to 255 bytes", everyName(func(s string) string {
			return strings.ToValidUTF8(s[:min(len(s), 255)], "")
		}), "KeepsLongTexts", "a long text is not kept"},
		{"cuts texts to 1024 bytes", everyText(func(s string) string {
			return strings.ToValidUTF8(s[:min(len(s), 1024)], "")
		}), "KeepsLongTexts", "Apply refused a valid change"}, // two Refs become one
		{"compares Refs in lower case", everyText(strings.ToLower), "ComparesRefsByteForByte", "Apply refused a valid change"},
		{"trims Refs", everyText(strings.TrimSpace), "ComparesRefsByteForByte", "Apply refused a valid change"},
		{"composes Refs", everyText(norm.NFC.String), "ComparesRefsByteForByte", "Apply refused a valid change"},
		{"restores whatever has the same letters", reading(func(c *statuslink.Changes) {
			for _, ref := range c.Restore {
				ref.ID = strings.ReplaceAll(ref.ID, "NEW", "new")
				c.Restore = append(c.Restore, ref)
			}
		}), "ComparesRefsByteForByte", "that one alone"},
		{"keeps times to the second", everyTime(func(at time.Time) time.Time { return at.Truncate(time.Second) }), "KeepsTimes", late},
		{"keeps times to the millisecond", everyTime(func(at time.Time) time.Time { return at.Truncate(time.Millisecond) }), "KeepsTimes", late},
		{"rounds times", reading(func(c *statuslink.Changes) {
			for i := range c.Ignore {
				c.Ignore[i].Since = c.Ignore[i].Since.Round(time.Microsecond)
			}
		}), "KeepsTimes", late},
		{"keeps what a clock on the wall shows", reading(func(c *statuslink.Changes) {
			for i := range c.Create {
				at := c.Create[i].Created
				c.Create[i].Created = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
			}
		}), "KeepsTimes", late},
		{"keeps the zero time as 1970", everyTime(func(at time.Time) time.Time {
			if at.IsZero() {
				return time.Unix(0, 0)
			}
			return at
		}), "KeepsTimes", "is zero no longer"},
		{"keeps nanoseconds since 1970", everyTime(func(at time.Time) time.Time { return time.Unix(0, at.UnixNano()) }), "KeepsTimes", late},
		{"holds a thousand statuses", keeping(func(_, now *statuslink.State) {
			now.Statuses = now.Statuses[:min(len(now.Statuses), 1000)]
		}), "KeepsThousands", "of thousands of statuses some are lost"},
		{"updates a thousand statuses", reading(func(c *statuslink.Changes) {
			c.Update = c.Update[:min(len(c.Update), 1000)]
		}), "KeepsThousands", "a change of thousands of statuses"},
	}
}
