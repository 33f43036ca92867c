"""What Airflow runs. Each DAG file is a table of contents; the work is in the packages below."""
