#!/bin/bash
# kafka-server-start.sh FILE: runs the broker in place of the shell, so that
# signals reach it.
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G}
export KAFKA_JVM_PERFORMANCE_OPTS=${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseG1GC -XX:MaxGCPauseMillis=20}
config=/opt/kafka/config
if [[ -z ${KAFKA_LOG4J_OPTS-} ]]; then
	KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$config/log4j2.yaml
	[[ -e $config/log4j2.yaml ]] || KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:$config/log4j.properties
	export KAFKA_LOG4J_OPTS
fi
exec /opt/kafka/bin/kafka-run-class.sh kafka.Kafka "$@"
