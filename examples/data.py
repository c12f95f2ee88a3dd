"""Tables of the example corpus."""

SUPPLIERS = [
    ["Supplier", "Country", "Product", "Orders 2022", "Value 2022 (EUR)"],
    ["Brightwater Pumps Ltd", "United Kingdom", "AquaFlow 300", 20, 570000],
    ["Volta Cell GmbH", "Germany", "VoltaPack M2", 64, 9280000],
    ["Nordstål AS", "Norway", "Hull plates", 11, 14650000],
    ["Oriel Analytics Ltd", "Ireland", "Harbour Pilot", 1, 92000],
    ["Lakeview Paints Inc.", "Canada", "Antifouling", 7, 311000],
]
PRICES = [
    ["Part", "Unit", "Price 2022 (EUR)", "Price 2023 (EUR)"],
    ["AquaFlow 300", "each", 28500, 29600],
    ["VoltaPack M2", "module", 145000, 139000],
    ["Shore connection 6 MW", "each", 410000, 402000],
]
CALLS = [
    ["date", "ship", "operator", "berth", "shore_power_mwh"],
    ["2023-04-02", "Fjordline 40", "Vestkyst Ferries AS", "B1", 6.2],
    ["2023-04-02", "Gannet", "Osprey Shipping Company Ltd", "B4", 0.0],
    ["2023-04-03", "Fjordline 40", "Vestkyst Ferries AS", "B1", 6.4],
    ["2023-04-03", "Nordvind", "Vestkyst Ferries AS", "B2", 5.9],
    ["2023-04-05", "Polar Dawn", "Tri-Lakes Freight Inc.", "C1", 11.7],
]
APPROVED = [
    ["supplier", "category", "approved_until"],
    ["Volta Cell GmbH", "storage batteries", "2024-12-31"],
    ["Oriel Analytics Ltd", "forecasting software", "2023-12-31"],
    ["Brightwater Pumps Ltd", "pumps", "2023-06-30"],
]
