package bitrix24test

import "net/http"

// InvalidToken says that no application has such a token.
func InvalidToken() APIError {
	return APIError{http.StatusUnauthorized, "invalid_token", "Unable to get application by token"}
}

// WrongAuthType says that a method needs an application.
func WrongAuthType() APIError {
	return APIError{http.StatusForbidden, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method"}
}

// InsufficientScopeApp is [InsufficientScope] as an application hears it. Its
// text is assumed.
func InsufficientScopeApp() APIError {
	return APIError{http.StatusUnauthorized, "insufficient_scope", "The request requires higher privileges than provided by the access token"}
}

// InvalidRequest is the token server's answer where a parameter is missing or
// unknown. Its text is assumed, as are those of the others.
func InvalidRequest() APIError {
	return APIError{http.StatusBadRequest, "invalid_request", "Invalid request"}
}

// InvalidClient is the token server's answer to a wrong id or secret.
func InvalidClient() APIError {
	return APIError{http.StatusBadRequest, "invalid_client", "Invalid client"}
}

// InvalidGrant is the token server's answer to a dead code or refresh token: the
// user has to sign in again.
func InvalidGrant() APIError {
	return APIError{http.StatusBadRequest, "invalid_grant", "Invalid grant"}
}

// PaymentRequired is the token server's answer when the paid or trial time is
// over.
func PaymentRequired() APIError {
	return APIError{http.StatusUnauthorized, "PAYMENT_REQUIRED", "Payment required"}
}

// WrongClient is an answer of the token server with the HTTP status 200, and
// without a description.
func WrongClient() APIError { return APIError{http.StatusOK, "wrong_client", ""} }

// NotInstalled is the token server's answer when the application was removed.
func NotInstalled() APIError {
	return APIError{http.StatusUnauthorized, "NOT_INSTALLED", "Application not installed"}
}
