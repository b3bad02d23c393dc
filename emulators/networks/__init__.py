"""Networks: standardised fields in, standardised fields out."""
