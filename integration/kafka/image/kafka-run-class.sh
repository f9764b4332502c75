#!/bin/bash
# kafka-run-class.sh CLASS ARGUMENTS: a Java program of Kafka's. The defaults are
# those of a tool: small, and quick to start.
defaults=/etc/kafka/docker
if [[ -z ${KAFKA_LOG4J_OPTS-} ]]; then
	KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$defaults/tools-log4j2.yaml
	[[ -e $defaults/tools-log4j2.yaml ]] || KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:$defaults/tools-log4j.properties
fi
# The variables hold several options each.
# shellcheck disable=SC2086
exec /opt/java/bin/java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} \
	-Djava.awt.headless=true $KAFKA_LOG4J_OPTS ${KAFKA_OPTS-} -cp '/opt/kafka/libs/*' "$@"
