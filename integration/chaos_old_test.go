package integration

// What Kafka does to records that are older than its memory of producers: it
// forgets who sent them while it runs, and takes them a second time.

func oldRecords() hazard {
	spoilt := networkKinds(toBroker)
	kinds := []kind{
		{"bridge killed", killReadyBridge}, {"broker killed", killBroker}, {"both killed", killBoth},
		{"answer lost", loseAnswers}, {"answer lost in silence", loseAnswersInSilence}, {"answer lost, bridge killed", loseAnswersAndBridge},
		{"answer lost, broker killed", loseAnswersAndBroker}, spoilt[0], spoilt[3], spoilt[6],
	}
	forgetful := ground{nodes: 1, forgetful: true}
	return hazard{
		name: "old records", least: 30,
		how: "messages three days old, a broker that forgets producers one second after the time of their last record (producer.id.expiration.ms); " +
			"with it bridge, broker or both killed, answers lost, a bad network",
		scenes: []scene{
			{name: "Retrying", on: forgetful, sends: sendsAgainOld, part: 2, gates: true, kinds: kinds},
			{name: "Default", on: forgetful, sends: sendsOnceOld, part: 1, gates: true, kinds: kinds},
		},
	}
}
