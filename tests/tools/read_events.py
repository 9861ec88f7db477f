"""Prints what TensorBoard reads in a run folder, as JSON: tag to [[step, value], ...], histograms by their counts."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import HISTOGRAMS, SCALARS, EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={SCALARS: 0, HISTOGRAMS: 0})
events.Reload()
tags = events.Tags()
json.dump(
    {
        "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
        "histograms": {
            tag: [[e.step, e.histogram_value.num] for e in events.Histograms(tag)] for tag in tags["histograms"]
        },
    },
    sys.stdout,
)
