"""Reads OpenMetrics from stdin as Prometheus' own client library does, and prints the samples' names."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name)
