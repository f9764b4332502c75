// Program dashboard prints deploy/dashboard.json, a dashboard for Grafana: make
// dashboard. It is made of panels.go, by Grafana's own typed builders, which this
// package is the one door to and which are in nothing that is shipped.
//
// The rows are in the order in which somebody who was woken looks: is it well, what
// comes in, the disk, the order, Kafka, and the process itself.
package main
