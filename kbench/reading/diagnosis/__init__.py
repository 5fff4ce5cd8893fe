"""Why is it slow: what is known of a configuration, rules that judge it, and the answer in words."""
