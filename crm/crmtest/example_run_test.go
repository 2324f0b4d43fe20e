package crmtest_test

import "testing"

func TestExampleOfTheDocumentation(t *testing.T) {
	t.Parallel()
	testAcme(t)
}
