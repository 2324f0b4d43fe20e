// Package statuslink keeps a bot's statuses and links them to those of CRMs.
package statuslink
