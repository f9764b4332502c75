package integration

import "time"

// What a bad network does, on the way from the bridge to Kafka, and on the way
// from the sender to the bridge.

func badNetwork() hazard {
	toKafka, fromSender := networkKinds(toBroker), networkKinds(toBridge)
	return hazard{
		name: "network", least: 100,
		how: "cut; half-open (everything, requests, or answers vanish, a part for longer than all time-outs); slow (latency, bandwidth); " +
			"reset in the middle of an answer; between bridge and broker, and between sender and bridge",
		scenes: []scene{
			{name: "ToBroker", on: ground{nodes: 1}, sends: sendsAgain, part: 3, gates: true, kinds: toKafka},
			{name: "ToBrokerOld", on: ground{nodes: 1}, sends: sendsAgainOld, part: 2, gates: true, kinds: toKafka},
			{name: "ToBrokerOfThree", on: ground{nodes: 3}, sends: sendsOnce, part: 2, gates: true, kinds: toKafka},
			{name: "ToBridge", on: ground{nodes: 1}, sends: sendsOnce, part: 2, front: true, kinds: fromSender},
			{name: "ToBridgeRetrying", on: ground{nodes: 1}, sends: sendsAgain, part: 2, front: true, kinds: fromSender},
		},
	}
}

func toBroker(s *stage, u turn) *passage { return s.gate(s.node(u, 3)).passage }
func toBridge(s *stage, _ turn) *passage { return s.front }

// networkKinds is what can happen to a passage.
func networkKinds(of func(*stage, turn) *passage) []kind {
	spoilt := func(name string, spoil func(*passage, turn)) kind {
		return kind{name, func(s *stage, u turn) {
			p := of(s, u)
			s.flows()
			hold(u.between(0, 0, 300*time.Millisecond))
			spoil(p, u)
			p.mended()
		}}
	}
	vanish := func(directions ...string) func(*passage, turn) {
		return func(p *passage, u turn) {
			for _, d := range directions {
				p.spoil("timeout", d, map[string]int{"timeout": 0})
			}
			hold(u.silence())
		}
	}
	return []kind{
		spoilt("cut", func(p *passage, u turn) {
			p.cut()
			hold(u.between(1, 0, 2*time.Second))
			p.open()
		}),
		spoilt("half-open", vanish(up, down)),
		spoilt("requests vanish", vanish(up)),
		spoilt("answers vanish", vanish(down)),
		spoilt("latency", func(p *passage, u turn) {
			p.spoil("latency", down, map[string]int{"latency": 50 + u.pick(1, 700), "jitter": 50})
			hold(u.between(2, time.Second, 3*time.Second))
		}),
		spoilt("bandwidth", func(p *passage, u turn) {
			p.spoil("bandwidth", up, map[string]int{"rate": 5 + u.pick(1, 100)}) // KiB a second
			hold(u.between(2, time.Second, 3*time.Second))
		}),
		spoilt("reset in an answer", func(p *passage, u turn) {
			p.spoil("limit_data", down, map[string]int{"bytes": 20 + u.pick(1, 3000)})
			hold(u.between(2, 200*time.Millisecond, 2*time.Second))
		}),
		spoilt("reset", func(p *passage, u turn) {
			p.spoil("reset_peer", down, map[string]int{"timeout": u.pick(1, 200)})
			hold(u.between(2, 200*time.Millisecond, 2*time.Second))
		}),
	}
}

// silence is for how long nothing comes through: mostly for a moment, a quarter of
// the time for longer than anybody waits.
func (u turn) silence() time.Duration {
	if u.luck[2] < 0.25 {
		return clientsPatience + u.between(1, time.Second, 3*time.Second)
	}
	return u.between(1, 200*time.Millisecond, 3*time.Second)
}
