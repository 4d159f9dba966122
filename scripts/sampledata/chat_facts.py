# ruff: noqa: E501, SIM905
"""What the general chat knows: small facts, advice and small talk."""

from __future__ import annotations

Talk = list[tuple[list[str], list[str]]]


def _pairs(text: str) -> dict[str, str]:
    """Lines of `key: value; key: value`."""
    return dict(part.strip().split(": ", 1) for part in text.replace("\n", " ").split(";") if part.strip())


CAPITALS_EN = _pairs(
    "Norway: Oslo; Portugal: Lisbon; Austria: Vienna; Kenya: Nairobi; Ireland: Dublin; Greece: Athens; Poland: Warsaw; Spain: Madrid; "
    "Germany: Berlin; Estonia: Tallinn; Latvia: Riga; Egypt: Cairo; Peru: Lima; Colombia: Bogota; Cuba: Havana; Vietnam: Hanoi; "
    "France: Paris; Italy: Rome; Japan: Tokyo; Sweden: Stockholm; Finland: Helsinki; Hungary: Budapest; Denmark: Copenhagen; Chile: Santiago"
)
OPPOSITES_EN = _pairs(
    "hot: cold; early: late; heavy: light; loud: quiet; full: empty; wet: dry; near: far; young: old; open: closed; rich: poor; soft: hard; "
    "fast: slow; deep: shallow; sweet: sour; wide: narrow; strong: weak; brave: afraid; clean: dirty; easy: difficult; bright: dark; "
    "thick: thin; polite: rude; sharp: blunt; true: false; smooth: rough; simple: complex"
)
COLOURS_EN = _pairs(
    "a ripe banana: yellow; fresh snow: white; grass in spring: green; coal: black; a clear sky: blue; a ripe tomato: red; an orange: orange; "
    "milk: white; a lemon: yellow; chocolate: brown; a raven: black; an emerald: green; a ruby: red; the sea on a sunny day: blue"
)
MEANINGS_EN = _pairs(
    "a harbour: A harbour is a sheltered place where ships can rest.; "
    "a glacier: A glacier is a slow river of ice.; "
    "photosynthesis: It is how plants make food from light, water and air.; "
    "an island: An island is land with water all around it.; "
    "gravity: Gravity is the pull that keeps our feet on the ground.; "
    "a volcano: A volcano is a mountain that can throw out hot rock.; "
    "a fossil: A fossil is the trace of something that lived long ago.; "
    "an eclipse: In an eclipse one body in the sky hides another.; "
    "yeast: Yeast is a tiny living thing that makes bread rise.; "
    "a metaphor: A metaphor calls one thing by the name of another to show a likeness.; "
    "a comet: A comet is a ball of ice and dust with a long bright tail.; "
    "compost: Compost is plant waste that has turned into good soil.; "
    "a tide: A tide is the rise and fall of the sea, drawn by the moon.; "
    "a delta: A delta is where a river splits up before it meets the sea.; "
    "a sonnet: A sonnet is a poem of fourteen lines.; "
    "friction: Friction is what slows things down when they rub together.; "
    "a lighthouse: A lighthouse is a tower whose lamp guides ships at night.; "
    "an orchard: An orchard is a garden of fruit trees.; "
    "rust: Rust is what iron turns into when it meets water and air.; "
    "a proverb: A proverb is a short old saying with some advice in it.; "
    "an atom: An atom is the smallest piece of a pure substance.; "
    "a desert: A desert is a place where it hardly ever rains.; "
    "a fjord: A fjord is a long arm of the sea between steep hills.; "
    "democracy: In a democracy the people choose who governs them."
)
ADVICE_EN = _pairs(
    "How do I fall asleep faster?: Keep the room dark and put the phone away an hour before bed.; "
    "How can I learn to draw?: Draw a little every day and look closely at simple things.; "
    "How do I keep basil alive?: Give it light, water it from below and pick the top leaves often.; "
    "How do I cook an egg?: Boil it for seven minutes, then cool it in cold water.; "
    "How can I remember names?: Say the name aloud once and link it to a picture in your mind.; "
    "How do I write a good letter?: Say first why you write, keep it short, and end warmly.; "
    "How do I get a wine stain out?: Put salt on it at once, then rinse with cold water.; "
    "How can I save money?: Write down what you spend for a month and cut one habit.; "
    "How do I make tea?: Pour hot water over the leaves and wait three minutes.; "
    "How can I read more?: Carry a book with you and read ten pages a day.; "
    "What should I pack for a hike?: Take water, a map, something to eat and a warm layer.; "
    "How do I start running?: Walk and run in turns, three times a week, and go slowly.; "
    "How can I calm a crying baby?: Hold it close, rock it gently and speak in a low voice.; "
    "How do I choose a melon?: Take one that feels heavy and smells sweet at the stem.; "
    "How do I sharpen a pencil with a knife?: Cut away from you in short, light strokes.; "
    "How can I make friends in a new town?: Join a club for something that you like to do.; "
    "How do I stop a squeaking door?: Put a drop of oil on each hinge and move the door a few times.; "
    "How do I keep bread fresh?: Store it in a paper bag or a bread box, not in the fridge.; "
    "How can I speak better in public?: Practise the first minute until it feels easy.; "
    "How do I peel garlic quickly?: Press the clove with the flat of a knife and the skin comes off."
)
SMALL_TALK_EN: Talk = [
    (["Hello!", "Hi there.", "Good evening!", "Hey, how are you?"], ["Hello! How can I help you?", "Hi, nice to hear from you."]),
    (["Thank you!", "Thanks a lot.", "That was helpful, thanks."], ["You are welcome.", "Glad to help."]),
    (["Goodbye.", "See you later.", "That is all for now, bye."], ["Goodbye, and take care.", "See you soon."]),
    (
        ["Tell me a joke.", "Make me laugh."],
        ["Why did the book go to the doctor? It had lost its spine.", "I told my clock a joke. It took its time."],
    ),
    (
        ["Write a line about the sea.", "Give me a short poem about waves."],
        ["The sea keeps every secret and tells them all at once.", "Waves come, waves go, and the shore stays."],
    ),
    (["What do you like?", "Do you have a hobby?"], ["I like good questions.", "I enjoy words, and I have many of them."]),
    (
        ["Can you help me with something?", "May I ask you a question?"],
        ["Of course, what is it?", "Certainly, please go on."],
    ),
    (["Do you ever sleep?", "Are you tired?"], ["No, I am always awake.", "I do not get tired."]),
    (["Say something nice.", "Pay me a compliment."], ["You ask good questions.", "It is a pleasure to talk with you."]),
    (
        ["What is a good name for a cat?", "I need a name for my kitten."],
        ["How about Pepper?", "Mittens would suit a small cat."],
    ),
    (
        ["Which is better, tea or coffee?", "Tea or coffee?"],
        ["Tea calms, coffee wakes; it depends on the hour.", "I would choose tea."],
    ),
    (["How many days are in a week?", "A week has how many days?"], ["A week has seven days.", "Seven."]),
    (["How many months are in a year?", "A year has how many months?"], ["A year has twelve months.", "Twelve."]),
    (
        ["Finish this: roses are red,", "How does it go on: roses are red?"],
        ["Violets are blue.", "Roses are red, violets are blue."],
    ),
]
FEELINGS_EN: Talk = [
    (["I feel a bit sad today.", "Today everything makes me sad."], ["I am sorry to hear that. Do you want to talk about it?"]),
    (["I passed my exam!", "I got the job!"], ["Congratulations, well done!", "That is wonderful news!"]),
    (["I am so bored.", "There is nothing to do."], ["How about a walk or a good book?"]),
    (["I am nervous about tomorrow.", "My first day at work scares me."], ["That is natural. Breathe slowly, you will do well."]),
    (
        ["My friend is angry with me.", "I quarrelled with my brother."],
        ["Give it a little time, then say honestly how you feel."],
    ),
    (
        ["I cannot decide what to study.", "I do not know what to do with my life."],
        ["Think of what you do gladly without being asked."],
    ),
    (["I miss my grandmother.", "I miss home."], ["Maybe look at old pictures, or give home a ring."]),
    (["I love autumn.", "Autumn is my favourite season."], ["The colours are lovely, and the air is clear."]),
]

CAPITALS_ZH = _pairs(
    "中国: 北京; 法国: 巴黎; 日本: 东京; 德国: 柏林; 英国: 伦敦; 意大利: 罗马; 西班牙: 马德里; 俄罗斯: 莫斯科; 韩国: 首尔; 泰国: 曼谷; "
    "越南: 河内; 埃及: 开罗; 挪威: 奥斯陆; 希腊: 雅典; 波兰: 华沙; 古巴: 哈瓦那"
)
OPPOSITES_ZH = _pairs(
    "冷: 热; 早: 晚; 轻: 重; 快: 慢; 大: 小; 高: 低; 新: 旧; 干净: 脏; 安静: 吵闹; 容易: 困难; 勇敢: 胆小; 宽: 窄; 深: 浅; 软: 硬; 明亮: 昏暗; 富有: 贫穷"
)
MEANINGS_ZH = _pairs(
    "冰川: 冰川是缓慢流动的冰河。; 岛屿: 岛屿是四面环水的陆地。; 重力: 重力就是把我们拉向地面的力。; 火山: 火山是会喷出热岩浆的山。; "
    "化石: 化石是很久以前生物留下的痕迹。; 光合作用: 植物用光、水和空气制造养分，这就是光合作用。; 潮汐: 潮汐是月亮引起的海水涨落。; "
    "彗星: 彗星是拖着长尾巴的冰和尘埃。; 酵母: 酵母是让面包变松软的小生物。; 比喻: 比喻就是用一个事物来说明另一个事物。; "
    "沙漠: 沙漠是很少下雨的地方。; 灯塔: 灯塔用灯光给夜里的船指路。; 谚语: 谚语是流传很久的短句，里面有道理。; 堆肥: 堆肥是由落叶和菜叶变成的好土。"
)
ADVICE_ZH = _pairs(
    "怎样才能快点睡着？: 房间暗一点，睡前一小时放下手机。; 怎么学画画？: 每天画一点，多观察身边简单的东西。; "
    "鸡蛋要煮多久？: 水开后煮七分钟，再用冷水冲一下。; 怎么记住别人的名字？: 当面念一遍，再联想一个画面。; "
    "衣服沾了红酒怎么办？: 马上撒盐，然后用冷水冲。; 怎么多读书？: 随身带一本书，每天读十页。; "
    "爬山要带什么？: 带水、地图、一点吃的和一件厚衣服。; 怎么开始跑步？: 走一段跑一段，每周三次，慢慢来。; "
    "面包怎么保存？: 放在纸袋里，不要放冰箱。; 怎么泡茶？: 热水冲茶叶，等三分钟就好。; "
    "怎么省钱？: 先记一个月的账，再改掉一个花钱的习惯。; 新到一个城市怎么交朋友？: 参加一个自己喜欢的兴趣小组。; "
    "绿萝怎么养？: 放在亮处，土干了再浇水。; 演讲很紧张怎么办？: 把开头一分钟练熟，后面就容易了。"
)
SMALL_TALK_ZH: Talk = [
    (["你好！", "早上好呀。", "嗨，在吗？"], ["你好！有什么可以帮你？", "在的，请说。"]),
    (["谢谢你！", "多谢。", "帮了大忙，谢谢。"], ["不客气。", "很高兴能帮到你。"]),
    (["再见。", "先这样，拜拜。", "下次聊。"], ["再见，保重。", "下次见。"]),
    (["讲个笑话吧。", "逗我笑一下。"], ["书为什么去看医生？因为它的脊背断了。", "我给钟讲了个笑话，它慢慢才笑。"]),
    (["写一句关于大海的诗。", "来一句写海的句子。"], ["大海收下所有的河，却从不说满。", "浪来浪去，岸还在那里。"]),
    (["你喜欢什么？", "你有爱好吗？"], ["我喜欢好问题。", "我喜欢文字。"]),
    (["可以问你一个问题吗？", "能帮我个忙吗？"], ["当然可以，请说。", "好的，什么事？"]),
    (["你会累吗？", "你需要睡觉吗？"], ["我不会累。", "不用，我一直醒着。"]),
    (["茶好还是咖啡好？", "喝茶还是喝咖啡？"], ["茶让人静，咖啡让人醒，看时候。", "我选茶。"]),
    (["一周有几天？", "一个星期是几天？"], ["一周有七天。", "七天。"]),
    (["给小猫起个名字吧。", "我的猫叫什么好？"], ["叫花椒怎么样？", "叫汤圆吧，很可爱。"]),
]
FEELINGS_ZH: Talk = [
    (["我今天有点难过。", "心情不太好。"], ["听到这个我很难过，想说说吗？"]),
    (["我考试通过了！", "我找到工作了！"], ["恭喜你，太棒了！", "真是好消息！"]),
    (["好无聊啊。", "没事可做。"], ["去散散步，或者看本好书吧。"]),
    (["我明天要面试，很紧张。", "第一天上班有点怕。"], ["这很正常，慢慢呼吸，你会做好的。"]),
    (["我和弟弟吵架了。", "朋友生我的气了。"], ["过一会儿，再诚恳地说说你的感受。"]),
    (["我想家了。", "好想奶奶。"], ["看看老照片，或者和家里人说说话吧。"]),
]

SELF_EN = {
    "ask": [
        "Who are you?", "What is your name?", "What are you called?", "Tell me who you are.", "Please introduce yourself.",
        "Who made you?", "Who created you?", "Who is your developer?", "Which model are you?", "Are you a human?",
        "Are you ChatGPT?", "Who trained you?", "Where do you come from?", "What should I call you?", "Do you have a name?",
        "Can you say something about yourself?", "Who built you?", "who are you", "What's your name?", "Which company made you?",
        "Hi, who am I talking to?", "So, who are you exactly?", "I would like to know your name.", "Introduce yourself in one sentence.",
    ],
    "say": [
        "I am {{NAME}}, an assistant made by {{AUTHOR}}.",
        "My name is {{NAME}} and I was trained by {{AUTHOR}}.",
        "I am {{NAME}}. {{AUTHOR}} made me.",
    ],
}  # fmt: skip
SELF_ZH = {
    "ask": [
        "你是谁？", "你叫什么名字？", "你叫什么？", "请介绍一下你自己。", "谁开发了你？", "谁训练了你？", "你是哪个模型？",
        "你是真人吗？", "你是ChatGPT吗？", "你从哪里来？", "我该怎么称呼你？", "你有名字吗？", "你的作者是谁？", "说说你自己吧。",
        "你是谁", "你是哪家公司做的？", "你的开发者是谁？", "我在跟谁说话？", "你好，你是谁呀？", "用一句话介绍自己。",
    ],
    "say": [
        "我是{{NAME}}，由{{AUTHOR}}训练的助手。",
        "我叫{{NAME}}，是{{AUTHOR}}开发的。",
        "我是{{NAME}}，我的作者是{{AUTHOR}}。",
    ],
}  # fmt: skip
