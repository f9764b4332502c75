package integration

import "time"

// What kill -9, SIGSTOP and SIGCONT do.

var (
	sendsOnce     = variants()[0]
	sendsAgain    = variants()[1]
	sendsAgainOld = variants()[2]
	sendsOnceOld  = variant{"DefaultThreeDaysOld", []string{"--age", "72h"}}
)

func bridgeKilled() hazard {
	kinds := []kind{{"ready", killReadyBridge}, {"starting", killStartingBridge}}
	return hazard{
		name: "bridge killed", how: "kill -9 at random times, half of them during start and recovery", least: 200,
		scenes: []scene{
			{name: "Default", on: ground{nodes: 1}, sends: sendsOnce, part: 2, kinds: kinds},
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 3, kinds: kinds},
			{name: "Old", on: ground{nodes: 1}, sends: sendsAgainOld, part: 3, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsAgain, part: 2, kinds: kinds},
		},
	}
}

func killReadyBridge(s *stage, u turn) {
	s.bridge.ready()
	hold(u.between(0, 0, 700*time.Millisecond))
	s.bridge.kill()
	s.bridge.start()
}

// killStartingBridge kills a process that has just been started, so that two are
// killed in a row, the second before it was of any use.
func killStartingBridge(s *stage, u turn) {
	hold(u.between(0, 0, 60*time.Millisecond))
	s.bridge.kill()
	s.bridge.start()
}

func brokerKilled() hazard {
	kinds := []kind{{"whole", killBroker}, {"recovering", killRecoveringBroker}}
	return hazard{
		name: "broker killed and restarted", how: "kill -9 of a single broker, and of one of three; a part while it recovers from the kill before", least: 100,
		scenes: []scene{
			{name: "Default", on: ground{nodes: 1}, sends: sendsOnce, part: 2, kinds: kinds},
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 2, kinds: kinds},
			{name: "Old", on: ground{nodes: 1}, sends: sendsAgainOld, part: 1, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsAgain, part: 3, kinds: kinds},
			{name: "ThreeNodesOld", on: ground{nodes: 3}, sends: sendsAgainOld, part: 2, kinds: kinds},
		},
	}
}

func killBroker(s *stage, u turn) {
	n := s.node(u, 3)
	s.flows()
	hold(u.between(0, 0, 500*time.Millisecond))
	n.kill()
	hold(u.between(1, 0, 500*time.Millisecond))
	n.start()
}

// killRecoveringBroker kills whatever the last turn left, the cluster whole or not.
func killRecoveringBroker(s *stage, u turn) {
	n := s.node(u, 3)
	hold(u.between(0, 0, 3*time.Second))
	n.kill()
	hold(u.between(1, 0, 200*time.Millisecond))
	n.start()
}

// clientsPatience is how long the bridge waits for an answer of Kafka at most.
const clientsPatience = 10 * time.Second

func brokerFrozen() hazard {
	kinds := []kind{{"longer than the time-outs", freezeBroker}}
	return hazard{
		name: "broker frozen", how: "SIGSTOP for longer than the client waits for an answer (10 s), then SIGCONT", least: 30,
		scenes: []scene{
			{name: "Default", on: ground{nodes: 1}, sends: sendsOnce, part: 3, kinds: kinds},
			{name: "Old", on: ground{nodes: 1}, sends: sendsAgainOld, part: 3, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsAgain, part: 4, kinds: kinds},
		},
	}
}

func freezeBroker(s *stage, u turn) {
	const retries = "chatbridge_publish_retries_total"
	n := s.leader(u)
	s.flows()
	hold(u.between(0, 0, 300*time.Millisecond))
	before := s.bridge.metric(retries)
	n.freeze()
	hold(clientsPatience + u.between(1, 500*time.Millisecond, 2*time.Second))
	n.thaw()
	s.flows()
	if err := s.bridge.above(retries, before); err != nil {
		s.t.Errorf("the freeze was not longer than the client's time-outs: %v", err)
	}
}

func bothKilled() hazard {
	kinds := []kind{{"both", killBoth}}
	return hazard{
		name: "bridge and broker killed", how: "kill -9 of both within a second, and back, each in random order", least: 50,
		scenes: []scene{
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 2, kinds: kinds},
			{name: "Old", on: ground{nodes: 1}, sends: sendsAgainOld, part: 2, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsOnce, part: 1, kinds: kinds},
		},
	}
}

func killBoth(s *stage, u turn) {
	n := s.node(u, 3)
	s.flows()
	steps := []struct{ stop, start func() }{{s.bridge.kill, s.bridge.start}, {n.kill, n.start}}
	first := u.pick(0, 2)
	steps[first].stop()
	hold(u.between(1, 0, 500*time.Millisecond))
	steps[1-first].stop()
	hold(u.between(2, 0, 300*time.Millisecond))
	first = int(u.luck[2]*1e6) % 2 // of luck that the delay has not used
	steps[first].start()
	steps[1-first].start()
}
