"""Refund Desk: reports of bad leads, judged, credited and refunded."""
