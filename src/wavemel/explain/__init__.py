"""Why a network answers as it does: attribution over frequency and time, and what it confuses."""
