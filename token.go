package statuslink

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// tokenContent is what a token holds: enough to make the same plan again.
type tokenContent struct {
	Digest   string     `json:"d"`
	Version  uint64     `json:"v"` // of the store; the plan was done if it was applied past this
	Made     time.Time  `json:"t"`
	Released []ScopeKey `json:"r,omitempty"`
}

// Token returns an opaque text for [Syncer.Confirm]: all that a web page has to
// keep between showing a plan and its confirmation. It holds no secret and is
// no permission: whoever may call Confirm decides that. It is as good for
// another process with the same sources and policy.
func (p *Plan) Token() string {
	content, err := json.Marshal(tokenContent{p.digest, p.snapshot.version, p.madeAt, p.released})
	if err != nil {
		panic("statuslink: a token cannot be encoded: " + err.Error()) // only texts and a time
	}
	return base64.RawURLEncoding.EncodeToString(content)
}

func parseToken(token string) (tokenContent, error) {
	var content tokenContent
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &content)
	}
	if err != nil || content.Digest == "" {
		return content, &Error{Kind: ErrInvalid, Op: "confirm", Message: "this is no token of a plan"}
	}
	return content, nil
}
