# The fundus of a left eye: a disc, a notch, the vessels, the optic disc and the macula.
canvas(480, 480)
use("square.webp").tint("#d2574a", 100).resize(40, 26).rotate(-45).place(398, 62)
use("disc.webp").tint("#d84c38", 100).resize(474).place(240, 240)
use("glow.webp").tint("#ee7a5c", 100).resize(340).opacity(80).place(180, 240)
use("vessels.webp").resize(452).opacity(75).place(240, 240)
use("glow.webp").tint("#7c1410", 100).resize(110).opacity(80).place(239, 237)
use("glow.webp").tint("#ffd88c", 100).resize(90, 110).place(84, 220).resize(50, 62).place(82, 220)
