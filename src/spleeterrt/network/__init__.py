"""The networks: what a configuration says of them, how they are computed, and a model that runs.

    config, modes -> method_plan -> layers -> model

`costs` and `measured_plan` make the plan of a machine by measurement; `tensors` are the weights by name.
"""
