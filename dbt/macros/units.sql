{# As devices and exports write units: (unit, unit of gold, factor, shift). A value of gold is `value * factor + shift`; a
   unit that is not listed stays as it is. #}
{% macro units() -%}
    (
        values
            ('C', '°C', 1.0::double precision, 0.0::double precision),
            ('degC', '°C', 1, 0),
            ('celsius', '°C', 1, 0),
            ('F', '°C', 5.0 / 9, -160.0 / 9),
            ('°F', '°C', 5.0 / 9, -160.0 / 9),
            ('degF', '°C', 5.0 / 9, -160.0 / 9),
            ('fahrenheit', '°C', 5.0 / 9, -160.0 / 9),
            ('K', '°C', 1, -273.15),
            ('kelvin', '°C', 1, -273.15),
            ('mV', 'V', 0.001, 0),
            ('kV', 'V', 1000, 0),
            ('mA', 'A', 0.001, 0),
            ('mW', 'W', 0.001, 0),
            ('kW', 'W', 1000, 0),
            ('Wh', 'kWh', 0.001, 0),
            ('MWh', 'kWh', 1000, 0),
            ('s', 'ms', 1000, 0),
            ('sec', 'ms', 1000, 0),
            ('us', 'ms', 0.001, 0),
            ('µs', 'ms', 0.001, 0),
            ('Pa', 'bar', 0.00001, 0),
            ('hPa', 'bar', 0.001, 0),
            ('kPa', 'bar', 0.01, 0),
            ('mbar', 'bar', 0.001, 0),
            ('psi', 'bar', 0.0689475729, 0),
            ('m/s', 'mm/s', 1000, 0),
            ('in/s', 'mm/s', 25.4, 0),
            ('percent', '%', 1, 0),
            ('pct', '%', 1, 0)
    ) as units (unit, gold_unit, factor, shift)
{%- endmacro %}
