package crmtest_test

import "testing"

func TestExampleOfTheDocumentation(t *testing.T) {
	t.Parallel()
	testAcme(t)
}

func TestExampleOfLeads(t *testing.T) {
	t.Parallel()
	testDeskLeads(t)
}

func TestExampleOfEvents(t *testing.T) {
	t.Parallel()
	testBell(t)
}
