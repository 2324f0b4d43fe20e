package bitrix24test

import "net/http"

// QueryLimit says that requests come too fast. No client has reported a
// Retry-After beside it.
func QueryLimit() APIError {
	return APIError{http.StatusServiceUnavailable, "QUERY_LIMIT_EXCEEDED", "Too many requests"}
}

// OperationTimeLimit says that one method has used up its time.
func OperationTimeLimit() APIError {
	return APIError{http.StatusTooManyRequests, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."}
}

// Overload says that the portal was blocked by hand. The server's known source
// has 401 for it, the documentation 503.
func Overload() APIError {
	return APIError{http.StatusServiceUnavailable, "OVERLOAD_LIMIT", "REST API is blocked due to overload."}
}

// Internal says that the portal broke down.
func Internal() APIError {
	return APIError{http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal server error"}
}

// UnexpectedAnswer says that the portal broke down in another way.
func UnexpectedAnswer() APIError {
	return APIError{http.StatusInternalServerError, "ERROR_UNEXPECTED_ANSWER", "Server returned an unexpected response"}
}

// InvalidCredentials says that the webhook's secret is wrong. The documentation
// has 403 for it, the server's known source 401.
func InvalidCredentials() APIError {
	return APIError{http.StatusUnauthorized, "INVALID_CREDENTIALS", "Invalid request credentials"}
}

// NoAuth says that there are no credentials, and in the documentation also that
// they are wrong.
func NoAuth() APIError {
	return APIError{http.StatusUnauthorized, "NO_AUTH_FOUND", "Wrong authorization data"}
}

// ExpiredToken says that an application's token has to be renewed.
func ExpiredToken() APIError {
	return APIError{http.StatusUnauthorized, "expired_token", "The access token provided has expired."}
}

// InsufficientScope says that the webhook lacks a scope. The documentation has
// 403 for it, the server's known source 401.
func InsufficientScope() APIError {
	return APIError{http.StatusUnauthorized, "insufficient_scope", "The request requires higher privileges than provided by the webhook token"}
}

// UserAccess says that the webhook's owner may not use it. 403 was seen too.
func UserAccess() APIError {
	return APIError{http.StatusUnauthorized, "user_access_error", "The user does not have access to the application."}
}

// AccessDenied says that the webhook's owner lacks a right.
func AccessDenied() APIError {
	return APIError{http.StatusBadRequest, "ACCESS_DENIED", "Access denied."}
}

// AccessDeniedLegacy is [AccessDenied] as crm.status.* and other old methods say
// it: without a code.
func AccessDeniedLegacy() APIError { return APIError{http.StatusBadRequest, "", "Access denied."} }

// PlanRequired says that the portal's plan has no REST API.
func PlanRequired() APIError {
	return APIError{http.StatusForbidden, "ACCESS_DENIED", "REST API is available only on commercial plans."}
}

// PortalDeleted says that the portal is gone. 500 is documented, 403 is in the
// server's known source, and 410 was seen.
func PortalDeleted() APIError {
	return APIError{http.StatusForbidden, "PORTAL_DELETED", "Portal was deleted"}
}

// MethodNotFound says that there is no such method, or that a scope or a module
// is missing.
func MethodNotFound() APIError {
	return APIError{http.StatusNotFound, "ERROR_METHOD_NOT_FOUND", "Method not found!"}
}

// NotFound says that there is no such object, with 400 as documented.
func NotFound() APIError { return APIError{http.StatusBadRequest, "NOT_FOUND", "Element not found"} }

// StatusNotFound is what crm.status.get says of an unknown row. The server's
// known source has "CRM Status is not found."
func StatusNotFound() APIError { return APIError{http.StatusBadRequest, "", "Status is not found."} }

// NumericCode is an error whose code is the number 0, as a few methods have it.
func NumericCode() APIError {
	return APIError{http.StatusBadRequest, 0, "SHIPMENT_DOCUMENT entity is not supported"}
}

// WrongEncoding is an error that comes with the HTTP status 200.
func WrongEncoding() APIError {
	return APIError{http.StatusOK, "WRONG_ENCODING", "Wrong request encoding"}
}

// SmartProcessNotFound says that there is no such entityTypeId.
func SmartProcessNotFound() APIError {
	return APIError{http.StatusBadRequest, "NOT_FOUND", "Smart process not found"}
}

// NotFoundLegacy is [NotFound] as crm.lead.* and crm.deal.* say it: without a
// code. The server's known source has "Lead is not found" too.
func NotFoundLegacy() APIError { return APIError{http.StatusBadRequest, "", "Not found"} }

// StageForbidden says that the webhook's owner may not put the item into that
// stage. The documentation has "-" as the code; "0" and an empty one are possible
// too, and the text is assumed.
func StageForbidden() APIError {
	return APIError{http.StatusBadRequest, "-", "You do not have permission to move the item to this stage"}
}

// codeRequired is the code of [FieldRequired].
const codeRequired = "CRM_FIELD_ERROR_REQUIRED"

// FieldRequired says that the stage needs a field that is empty. The text is
// assumed.
func FieldRequired(name string) APIError {
	return APIError{http.StatusBadRequest, codeRequired, `Field "` + name + `" is required`}
}

// FieldInvalid says that a field has a value that it may not have, such as
// "Stage".
func FieldInvalid(name string) APIError {
	return APIError{http.StatusBadRequest, "CRM_FIELD_ERROR_VALUE_NOT_VALID", `Invalid value for field "` + name + `"`}
}

// noValue says that a call lacks a parameter.
func noValue(name string) *APIError {
	return &APIError{Code: 100, Text: "Could not find value for parameter {" + name + "}"}
}

// badArgument says that a list has no such field to filter or to sort by. The
// text is assumed.
func badArgument(parameter, field string) *APIError {
	return &APIError{Code: "INVALID_ARG_VALUE", Text: "Invalid " + parameter + ": field '" + field + "' is not allowed"}
}

// invalidID says that an old method got no number.
func invalidID() *APIError { return &APIError{Code: "", Text: "ID is not defined or invalid."} }

// fieldsNotArray says that an old method got no fields.
func fieldsNotArray() *APIError {
	return &APIError{Code: "", Text: "Parameter 'fields' must be array."}
}
