package integration

import "time"

// What becomes of batches whose answers are lost, and of requests that come when
// nobody expects them any more.

func answerLost() hazard {
	kinds := []kind{
		{"connection closed", loseAnswers}, {"connection closed, again", loseAnswers}, {"bridge killed", loseAnswersAndBridge},
		{"broker killed", loseAnswersAndBroker}, {"silence", loseAnswersInSilence},
	}
	return hazard{
		name: "answer lost after append", least: 100,
		how: "a proxy that knows Produce swallows its answer, and closes the connection or is silent; with it the bridge or the broker is killed, or nobody",
		scenes: []scene{
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 3, gates: true, kinds: kinds},
			{name: "Old", on: ground{nodes: 1}, sends: sendsAgainOld, part: 4, gates: true, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsOnce, part: 3, gates: true, kinds: kinds},
		},
	}
}

// answersLost waits until a turn's number of answers is lost, on one node.
func answersLost(s *stage, u turn, stall bool) *node {
	n := s.leader(u)
	s.flows()
	some := 1 + u.pick(0, 6)
	w := s.gate(n).wire
	w.losing(some, stall)
	eventually(s.t, "answers are lost", func() error { return w.hasLost(1) })
	hold(u.between(1, 0, 50*time.Millisecond))
	return n
}

func loseAnswers(s *stage, u turn) {
	w := s.gate(answersLost(s, u, false)).wire
	eventually(s.t, "answers are lost", func() error { return w.hasLost(1 + u.pick(0, 6)) })
}

func loseAnswersInSilence(s *stage, u turn) {
	w := s.gate(answersLost(s, u, true)).wire
	hold(clientsPatience)
	w.losing(0, false)
	s.flows()
}

func loseAnswersAndBridge(s *stage, u turn) {
	w := s.gate(answersLost(s, u, u.luck[2] < 0.5)).wire
	s.bridge.kill()
	w.losing(0, false)
	s.bridge.start()
	s.bridge.ready()
}

func loseAnswersAndBroker(s *stage, u turn) {
	n := answersLost(s, u, u.luck[2] < 0.5)
	n.kill()
	s.gate(n).wire.losing(0, false)
	n.start()
}

func requestHeldBack() hazard {
	kinds := []kind{{"bridge killed", deliverToTheNextBridge}, {"connection closed", deliverAfterTheNextAttempt}}
	return hazard{
		name: "request delivered late", least: 30,
		how: "a proxy keeps Produce requests back; their sender is killed and restarted, or loses the connection; " +
			"they are delivered before or after it has read the topic's end and sent again",
		scenes: []scene{
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 2, gates: true, kinds: kinds},
			{name: "ThreeNodes", on: ground{nodes: 3}, sends: sendsAgain, part: 1, gates: true, kinds: kinds},
		},
	}
}

// requestsKept keeps requests to one node back, until there are some.
func requestsKept(s *stage, u turn) *wire {
	n := s.leader(u)
	s.flows()
	w := s.gate(n).wire
	w.keeping(1 + u.pick(0, 6))
	eventually(s.t, "requests are kept back", w.hasKept)
	hold(u.between(1, 0, 50*time.Millisecond))
	return w
}

// deliverToTheNextBridge: half of the requests come while the next process reads
// the topic's end, half when it is long past that.
func deliverToTheNextBridge(s *stage, u turn) {
	w := requestsKept(s, u)
	s.bridge.kill()
	w.keeping(0)
	s.bridge.start()
	if u.luck[2] < 0.5 {
		hold(u.between(3, 0, 500*time.Millisecond))
	} else {
		s.bridge.ready()
		s.flows()
		hold(u.between(3, 0, time.Second))
	}
	s.delivered(w.deliver())
}

func deliverAfterTheNextAttempt(s *stage, u turn) {
	w := requestsKept(s, u)
	w.leave()
	if u.luck[2] < 0.5 {
		s.flows()
	}
	hold(u.between(3, 0, 500*time.Millisecond))
	s.delivered(w.deliver())
}

func (s *stage) delivered(answered, refused int) {
	s.t.Logf("delivered late: %d requests answered, %d not", answered, refused)
}

// leader is a node by the turn's luck, that leads partitions of the bridge's topic:
// one that was just restarted may lead none.
func (s *stage) leader(u turn) *node {
	s.t.Helper()
	if len(s.kafka.nodes) == 1 {
		return s.kafka.nodes[0]
	}
	list := s.kafka.leadersNow(s.bridge.events)
	return s.kafka.nodes[list[u.pick(3, len(list))]-1]
}
