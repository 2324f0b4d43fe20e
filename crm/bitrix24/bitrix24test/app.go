package bitrix24test

// language is the portal's language.
const language = "ru"

// appInfo is app.info.
func (p *Portal) appInfo(*phpMap) (reply, *APIError) {
	return reply{result: array("ID", 5, "CODE", p.app.ClientID, "VERSION", 1, "STATUS", statusLocal, "INSTALLED", true,
		"PAYMENT_EXPIRED", "N", "DAYS", nil, "LANGUAGE_ID", language,
		"LICENSE", "ru_pro100", "LICENSE_TYPE", "pro100", "LICENSE_FAMILY", "pro")}, nil
}

// featureGet is feature.get. The portal has the one feature that is served here.
func (p *Portal) featureGet(params *phpMap) (reply, *APIError) {
	return reply{result: array("value", flag(text(params.get("CODE")) == "rest_offline_extended"))}, nil
}
