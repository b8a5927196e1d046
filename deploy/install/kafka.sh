#!/bin/sh
# Installs the jars of Apache Kafka (with KRaft, no ZooKeeper) for the tests that need a real broker. Needs Java 17 and Maven.
#
#   deploy/install/kafka.sh [DIR]      DIR defaults to .cache/kafka under the module root
#
# Nothing is done when the jars of the wanted version are there. Which version: kafka-pom.xml.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/../../.cache/kafka}
pom=$here/kafka-pom.xml
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$pom")

if [ -f "$dir/libs/kafka_2.13-$version.jar" ] && [ -f "$dir/.complete-$version" ]; then
    echo "Apache Kafka $version is already in $dir"
    exit 0
fi
for tool in java mvn; do
    if ! command -v "$tool" >/dev/null; then
        echo "kafka.sh: $tool is not installed: install a Java 17 runtime and Maven, then run this again" >&2
        exit 1
    fi
done

mkdir -p "$dir"
rm -rf "$dir/libs" "$dir"/.complete-*
mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$(cd "$dir" && pwd)/libs"
touch "$dir/.complete-$version"
echo "Apache Kafka $version is in $dir"
