"""Results, plots, reports and paper tables: reads what other stages wrote, computes nothing."""
