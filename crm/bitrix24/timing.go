package bitrix24

import (
	"math"
	"strconv"
	"time"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

// Timing is what the portal says of the time that a call took. Fields are zero
// where it says nothing, as beside errors, and on portals without the limit of
// operating time.
type Timing struct {
	// Method is the method called; "batch" for a batch as a whole.
	Method string
	// Start and Finish are by the portal's clock.
	Start, Finish time.Time
	// Duration is from Start to Finish, Processing the part of it that the
	// method itself took.
	Duration, Processing time.Duration
	// Operating is the time that the method has used of its budget so far: 480
	// seconds in ten minutes, for each method and each webhook or application
	// (https://apidocs.bitrix24.com/settings/performance/limits.html).
	Operating time.Duration
	// OperatingResetAt is when the oldest minute of Operating is free again.
	OperatingResetAt time.Time
}

// read reads the object "time"; anything else is no timing.
func (t *Timing) read(cursor *crmhttp.Cursor) {
	for name := range cursor.Members() {
		switch string(name) {
		case "start":
			t.Start = moment(cursor.Value())
		case "finish":
			t.Finish = moment(cursor.Value())
		case "duration":
			t.Duration = seconds(cursor.Value())
		case "processing":
			t.Processing = seconds(cursor.Value())
		case "operating":
			t.Operating = seconds(cursor.Value())
		case "operating_reset_at":
			t.OperatingResetAt = moment(cursor.Value())
		}
	}
}

// number returns a number that may be written as a text; 0 if it is none.
func number(data []byte) float64 {
	var text crmhttp.Text
	_ = text.UnmarshalJSON(data) // what is no text gives none
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(value) || math.Abs(value) > 1e12 {
		return 0
	}
	return value
}

// seconds returns a span of seconds; 0 if it is none that can be held.
func seconds(data []byte) time.Duration {
	value := number(data)
	if value < 0 || value > math.MaxInt64/2/float64(time.Second) {
		return 0
	}
	return time.Duration(value * float64(time.Second))
}

// latest is near the end of the year 9999, behind which no time can be written as
// JSON.
const latest = 253402300799 - 48*3600

// moment returns a Unix time; the zero time if it is none.
func moment(data []byte) time.Time {
	value := number(data)
	if value <= 0 || value > latest {
		return time.Time{}
	}
	whole, part := math.Modf(value)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3)
}
