package bitrix24test

import (
	"strconv"
	"strings"
	"time"
)

// access looks at the credentials of a request and returns the name of the
// method, in small letters, and whether they are the application's and not the
// webhook's. The path is what follows "/rest/". Only the parameter "auth" is
// looked at: that other places for the token work is not documented. It runs
// under mu.
func (p *Portal) access(path string, params *phpMap) (method string, byApp bool, failed *APIError) {
	refuse := func(e APIError) (string, bool, *APIError) { return "", false, &e }
	parts := strings.SplitN(path, "/", 3)
	if len(parts) == 3 {
		method = parts[2]
		if parts[0] != strconv.Itoa(DefaultUserID) || parts[1] != p.secret {
			return refuse(InvalidCredentials())
		}
	} else {
		method, byApp = parts[0], true
		token := text(params.get("auth"))
		expires, found := p.app.access[token]
		switch {
		case token == "", len(parts) == 2 && parts[1] != "":
			return refuse(NoAuth())
		case !found:
			return refuse(InvalidToken())
		case !time.Now().Before(expires):
			return refuse(ExpiredToken())
		}
	}
	return strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(method, "/")), ".json"), byApp, nil
}

// permit says why the caller may not call the method, whose name is in small
// letters, or returns nil. In a batch the credentials are those of the batch, and
// "auth" in a command does not count; methods find it among the parameters only
// if the call is the application's. It runs under mu.
func (p *Portal) permit(byApp bool, method string, params *phpMap) *APIError {
	params.remove("auth")
	switch {
	case !byApp:
		if needsApplication(method) {
			failed := WrongAuthType()
			return &failed
		}
		return nil
	case strings.HasPrefix(method, "crm.") && !p.app.mayUse("crm"):
		failed := InsufficientScopeApp()
		return &failed
	}
	params.set("auth", true)
	return nil
}

// byApplication reports whether a call is the application's. It is for methods,
// behind permit.
func byApplication(params *phpMap) bool { return params.get("auth") != nil }

// needsApplication reports whether a webhook gets [WrongAuthType] from the
// method.
func needsApplication(method string) bool {
	return method == "app.info" || strings.HasPrefix(method, "event.")
}
